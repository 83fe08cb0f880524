// The answer under the reader's limits; the same rules and words as answer.py.

const RANK = {
  latency: (row) => row.p50,
  throughput: (row) => (has(row.throughput) ? -row.throughput : null),
  accuracy: (row) => (has(row.accuracy) ? -row.accuracy : null),
  size: (row) => row.size,
  memory: (row) => row.peak_rss,
  energy: (row) => row.energy,
};
const SUPERLATIVE = {
  latency: "fastest",
  throughput: "highest throughput",
  accuracy: "most accurate",
  size: "smallest file",
  memory: "least memory",
  energy: "least energy",
};
const LIMIT_NAMES = ["drop", "p50", "peak_rss", "size", "energy"];
const general = (value) => String(Number(value.toPrecision(6)));

function describeLimits(limits) {
  const words = [];
  if (has(limits.drop)) words.push(`accuracy drop ≤ ${general(limits.drop)} points`);
  if (has(limits.p50)) words.push(`latency ≤ ${general(limits.p50)} ms`);
  if (has(limits.peak_rss)) words.push(`memory ≤ ${general(limits.peak_rss / 1e6)} MB`);
  if (has(limits.size)) words.push(`file ≤ ${general(limits.size / 1e6)} MB`);
  if (has(limits.energy)) words.push(`energy ≤ ${general(limits.energy * 1e3)} mJ`);
  return words.join(", ") || "no limits";
}

function configurationName(row) {
  const batch = row.batch === 1 ? "" : `, batch ${row.batch}`;
  const strict = row.precision_asked === "strict_float32" ? ", strict float32" : "";
  const streams = row.streams === 1 ? "" : `, ${row.streams} streams`;
  const cores = row.affinity ? `, cores ${row.affinity}` : "";
  const threads = format.plural(row.threads, "thread");
  return `${row.artifact} on ${row.configuration}, ${threads}${batch}${streams}${strict}${cores}`;
}

function isAllowed(row, limits, judged) {
  for (const name of LIMIT_NAMES) {
    if (!has(limits[name])) continue;
    if (!has(row[name])) {
      if (judged[name]) return false;
    } else if (row[name] > limits[name] + 1e-9) return false;
  }
  return true;
}

function overlap(best, other, objective) {
  let low;
  let high;
  if (objective === "latency") [low, high] = [other.p50_low, best.p50_high];
  else if (objective === "accuracy") [low, high] = [best.accuracy_low, other.accuracy_high];
  else return RANK[objective](best) === RANK[objective](other);
  return has(low) && has(high) && low <= high;
}

function speedOf(row) {
  if (row.scenario !== "single_stream" || !has(row.p50)) {
    return `${format.number(row.throughput)} samples a second`;
  }
  const interval = format.interval(row.p50_low, row.p50_high, row.p50);
  return `${format.number(row.p50)} ms${interval ? ` ${interval}` : ""} an inference`;
}

const scenarioWords = (row) => (row.scenario === "single_stream" ? "" : `, ${row.scenario.replaceAll("_", " ")}`);

function sentenceOf(place, best, runnerUp, tied, within, measured, limits) {
  const facts = [speedOf(best)];
  if (has(best.accuracy)) {
    const drop = has(best.drop) ? `, ${format.points(-best.drop)} points` : "";
    const count = fixed(best.accuracy_n, 0);
    facts.push(`${best.metric} ${format.percent(best.accuracy)} (n = ${count}${drop})`);
  } else facts.push("accuracy not measured");
  if (has(best.size)) facts.push(`${format.size(best.size)} file`);
  if (has(best.peak_rss)) facts.push(`${format.size(best.peak_rss)} peak memory`);
  if (has(best.energy)) facts.push(`${format.number(best.energy * 1e3)} mJ`);
  let text = `${place}: ${configurationName(best)}: `
    + `${facts.join(", ")}; ${SUPERLATIVE[limits.objective]} of ${within} within `
    + `${describeLimits(limits)} (${measured} measured).`;
  if (runnerUp) {
    if (tied) text += ` Cannot be told apart from ${configurationName(runnerUp)}.`;
    else if (best.timed && best.p50 && runnerUp.p50 && runnerUp.p50 > best.p50) {
      const times = fixed(runnerUp.p50 / best.p50, 2);
      text += times === "1.00"
        ? ` Practically as fast: ${configurationName(runnerUp)}.`
        : ` Next: ${configurationName(runnerUp)}, ${times}× the latency.`;
    } else text += ` Next: ${configurationName(runnerUp)}.`;
  }
  if (best.state === "NOISY") {
    text += " The measurement is noisy; measure again before you rely on it.";
  }
  if (best.software) text += " The device is emulated in software.";
  return text;
}

// → [{best, runnerUp, tied, sentence, machine_label, device}], and `allowed` set on every row.
function choose(rows, wanted) {
  const groups = new Map();
  for (const row of rows) {
    row.allowed = false;
    row.best = false;
    if (!row.measured) continue;
    const key = `${row.machine} ${row.scenario} ${row.device}`;
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(row);
  }
  return [...groups.values()].map((group) => {
    const { machine_label: machine, device, scenario } = group[0];
    const limits = scenario !== "single_stream" && wanted.objective === "latency"
      ? { ...wanted, objective: "throughput" } : wanted;
    const judged = Object.fromEntries(
      LIMIT_NAMES.map((name) => [name, group.some((row) => has(row[name]))]),
    );
    for (const row of group) row.allowed = isAllowed(row, limits, judged);
    const within = group.filter((row) => row.allowed);
    const sure = within.filter((row) => row.state !== "NOISY");
    const value = RANK[limits.objective];
    const ranked = (sure.length ? sure : within)
      .filter((row) => has(value(row)))
      .sort((a, b) => value(a) - value(b) || (a.p50 || 0) - (b.p50 || 0) || a.id - b.id);
    const [best = null, runnerUp = null] = ranked;
    const tied = Boolean(best && runnerUp && overlap(best, runnerUp, limits.objective));
    if (best) best.best = true;
    const place = `${machine}, ${device}${scenarioWords(group[0])}`;
    const sentence = best
      ? sentenceOf(place, best, runnerUp, tied, within.length, group.length, limits)
      : `${place}: none of ${format.plural(group.length, "measured configuration")} `
        + `is within ${describeLimits(limits)}.`;
    return { machine, device: `${device}${scenarioWords(group[0])}`, best, runnerUp, tied, sentence };
  });
}

function figure(label, value, note) {
  return element(
    "div", {},
    element("dt", {}, label),
    element("dd", {}, element("span", { class: "value" }, value),
      note ? element("span", { class: "note" }, note) : null),
  );
}

function choiceCard(choice, showRow) {
  const { best } = choice;
  const head = element("p", { class: "eyebrow" }, element("bdi", {}, choice.machine), ` · ${choice.device}`);
  if (!best) {
    return element("article", { class: "choice none" }, head,
      element("h3", {}, "Nothing is within these limits"),
      element("p", { class: "sentence" }, choice.sentence));
  }
  const options = [format.plural(best.threads, "thread")];
  if (best.batch !== 1) options.push(`batch ${best.batch}`);
  const sentence = element("p", { class: "sentence" }, choice.sentence);
  return element(
    "article", { class: "choice" }, head,
    element("h3", {}, element("bdi", {}, best.artifact),
      element("span", { class: "where" }, ` on ${best.configuration}, ${options.join(", ")}`)),
    element(
      "dl", { class: "figures" },
      best.timed
        ? figure("Latency p50", `${format.number(best.p50)} ms`, format.interval(best.p50_low, best.p50_high, best.p50))
        : figure("Throughput", `${format.number(best.throughput)} /s`),
      has(best.accuracy)
        ? figure(`Accuracy (${best.metric})`, format.percent(best.accuracy),
          `${has(best.drop) ? `${format.points(-best.drop)} points, ` : ""}n = ${fixed(best.accuracy_n, 0)}`)
        : null,
      has(best.size) ? figure("File", format.size(best.size)) : null,
      has(best.peak_rss) ? figure("Peak memory", format.size(best.peak_rss)) : null,
      has(best.energy) ? figure("Energy", `${format.number(best.energy * 1e3)} mJ`) : null,
      has(best.speedup) && best.format !== "keras"
        ? figure("Against Keras", `${format.number(best.speedup)}×`,
          format.interval(best.speedup_low, best.speedup_high, best.speedup))
        : null,
    ),
    sentence,
    element(
      "p", { class: "actions" },
      element("button", { type: "button", class: "primary", onclick: (event) => copyText(choice.sentence, event.currentTarget) }, "Copy sentence"),
      element("button", { type: "button", onclick: () => showRow(best) }, "Show the row"),
    ),
  );
}

function readLimits(form) {
  const number = (name, unit) => {
    const field = form.elements.namedItem(name);
    const value = field ? field.valueAsNumber : NaN;
    return Number.isFinite(value) ? value * unit : null;
  };
  return {
    drop: number("drop", 1),
    p50: number("p50", 1),
    peak_rss: number("peak_rss", 1e6),
    size: number("size", 1e3),
    energy: number("energy", 1e-3),
    objective: form.elements.namedItem("objective").value,
  };
}
