// The answer under the reader's limits; the same rules and words as answer.py.

const negative = (value) => (has(value) ? -value : null);
const RANK = {
  latency: (row) => (has(row.paired_p50) ? row.paired_p50 : row.p50),
  throughput: (row) => negative(has(row.paired_throughput) ? row.paired_throughput : row.throughput),
  accuracy: (row) => negative(row.accuracy),
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
const WORTH_SAYING = 0.05;
const TOLERANCE = 1e-9;
const LIMIT_NAMES = ["drop", "p50", "peak_rss", "size", "energy"];
const general = (value) => String(Number(value.toPrecision(6)));

const UNJUDGED = {
  drop: "the accuracy drop, for which no parent was measured",
  p50: "latency",
  peak_rss: "memory",
  size: "file size",
  energy: "energy",
};
const points = (count) => `${general(count)} ${count === 1 ? "point" : "points"}`;
const LIMIT_WORDS = {
  drop: (value) => `accuracy drop ≤ ${points(value)}`,
  p50: (value) => `latency ≤ ${general(value)} ms`,
  peak_rss: (value) => `memory ≤ ${general(value / 1e6)} MB`,
  size: (value) => `file ≤ ${general(value / 1e6)} MB`,
  energy: (value) => `energy ≤ ${general(value * 1e3)} mJ`,
};

function describeLimits(limits, leaveOut = []) {
  const words = LIMIT_NAMES.filter((name) => has(limits[name]) && !leaveOut.includes(name))
    .map((name) => LIMIT_WORDS[name](limits[name]));
  return words.join(", ");
}

function configurationName(row) {
  const batch = row.batch === 1 ? "" : `, batch ${row.batch}`;
  const strict = row.precision_asked === "strict_float32" ? ", strict float32" : "";
  const streams = row.streams === 1 ? "" : `, ${row.streams} streams`;
  const work = row.work ? `, ${row.work}` : "";
  const beam = row.beam ? `, beam ${row.beam}` : "";
  const cores = row.affinity ? `, cores ${row.affinity}` : "";
  const threads = format.plural(row.threads, "thread");
  const asked = `${threads}${batch}${streams}${work}${beam}${strict}${cores}`;
  return `${row.artifact} on ${row.configuration}, ${asked}`;
}

function isAllowed(row, limits, judged) {
  for (const name of LIMIT_NAMES) {
    if (!has(limits[name])) continue;
    if (!has(row[name])) {
      if (judged[name]) return false;
    } else if (row[name] > limits[name] + TOLERANCE) return false;
  }
  return true;
}

// Whether a drop lies within a limit, as accuracy_drop.py decides.
function decide(floor, bound, limit) {
  if (bound <= limit + TOLERANCE) return "kept";
  return floor > limit + TOLERANCE ? "broken" : "undecided";
}

function isShown(row, limits) {
  if (!has(limits.drop)) return true;
  return has(row.drop_bound) && decide(row.drop_bound, row.drop_bound, limits.drop) === "kept";
}

function isPaired(row, objective) {
  const name = { latency: "paired_p50", throughput: "paired_throughput" }[objective];
  return Boolean(name) && has(row[name]);
}

const TIMED = ["latency", "throughput", "energy"];

function mayBeNoisy(row, limits) {
  const untimed = !TIMED.includes(limits.objective) && !has(limits.p50);
  return untimed || isPaired(row, limits.objective);
}

function isTied(best, other, objective) {
  if (objective === "accuracy") {
    const [low, high] = [best.accuracy_low, other.accuracy_high];
    return has(low) && has(high) && low <= high;
  }
  if (objective === "latency" || (objective === "throughput" && best.batch === other.batch)) {
    return best.ties.includes(other.id);
  }
  return RANK[objective](best) === RANK[objective](other);
}

function speedOf(row) {
  if (row.scenario !== "single_stream" || !has(row.p50)) {
    return `${format.number(row.throughput)} samples a second`;
  }
  const interval = format.interval(row.p50_low, row.p50_high, row.p50);
  return `${format.number(row.p50)} ms${interval ? ` ${interval}` : ""} an inference`;
}

const scenarioWords = (row) => (row.scenario === "single_stream" ? "" : `, ${row.scenario.replaceAll("_", " ")}`);

// "top1 98.6% (n = 360, −0.28 points [−1.20, +0.64], at most 1.02 lost with 95% confidence)"
function accuracyOf(row) {
  if (!has(row.accuracy)) return "accuracy not measured";
  return `${row.metric} ${format.percent(row.accuracy)} (n = ${fixed(row.accuracy_n, 0)}${dropOf(row)})`;
}

function dropOf(row) {
  if (!has(row.drop)) return "";
  const interval = has(row.drop_low) && has(row.drop_high) && row.drop_low < row.drop_high
    ? ` [${format.points(-row.drop_high)}, ${format.points(-row.drop_low)}]` : "";
  const most = interval && has(row.drop_bound) ? `, ${boundWords(row.drop_bound)}` : "";
  return `, ${format.points(-row.drop)} points${interval}${most}`;
}

// For under a figure: the drop with the bound that decides.
function briefDrop(row) {
  if (!has(row.drop)) return "";
  const most = has(row.drop_bound) && row.drop_low < row.drop_high
    ? `, at most ${fixed(Math.max(row.drop_bound, 0), 2)} lost (95%)` : "";
  return `, ${format.points(-row.drop)} points${most}`;
}

function boundWords(bound) {
  return bound < 0 ? `at least ${fixed(-bound, 2)} gained with 95% confidence`
    : `at most ${fixed(bound, 2)} lost with 95% confidence`;
}

// Tango's statistic, as in proportions.py.
function score(lost, gained, n, loss) {
  const b = -lost - gained + (2 * n - lost + gained) * loss;
  const c = -gained * loss * (1 - loss);
  const rate = (Math.sqrt(Math.max(b * b - 8 * n * c, 0)) - b) / (4 * n);
  const spread = n * (2 * rate + loss * (1 - loss));
  const distance = lost - gained - n * loss;
  if (spread <= 0) return distance === 0 ? 0 : Infinity;
  return distance / Math.sqrt(spread);
}

const Z = 1.644853626951472; // of a one-sided 95% bound
const MOST_SAMPLES = 1e8;

function twoDigitsUp(count) {
  const step = 10 ** Math.max(0, String(Math.ceil(count)).length - 2);
  return Math.ceil(count / step) * step;
}

// How many samples would decide a limit on the drop, null where no number would.
function samplesNeeded(row, limit) {
  const n = row.accuracy_n;
  if (!has(row.drop_lost) || !has(row.drop_gained)) {
    const margin = Math.abs(limit - row.drop);
    const reach = row.drop <= limit ? row.drop_bound - row.drop : row.drop - row.drop_floor;
    if (margin <= 0) return null;
    const needed = Math.ceil(n * (reach / margin) ** 2);
    return needed <= MOST_SAMPLES ? twoDigitsUp(needed) : null;
  }
  const share = limit / 100;
  const inside = (row.drop_lost - row.drop_gained) / n <= share;
  const decides = (count) => {
    const found = score((row.drop_lost * count) / n, (row.drop_gained * count) / n, count, share);
    return inside ? found <= -Z : found >= Z;
  };
  let few = 1;
  let many = n;
  while (!decides(many)) {
    few = many;
    many *= 2;
    if (many > MOST_SAMPLES) return null;
  }
  while (many - few > 0.5) {
    const middle = (few + many) / 2;
    if (decides(middle)) many = middle;
    else few = middle;
  }
  return twoDigitsUp(many);
}

function doubtOf(best, limits) {
  if (best.unproven) return ` ${best.unproven[0].toUpperCase()}${best.unproven.slice(1)}.`;
  if (!has(limits.drop) || !has(best.drop)) return "";
  const limit = points(limits.drop);
  if (!has(best.drop_floor) || !has(best.drop_bound)) {
    return ` Undecided: the drop has no interval, so whether it is within ${limit} is not known.`;
  }
  if (decide(best.drop_floor, best.drop_bound, limits.drop) !== "undecided") return "";
  const needed = samplesNeeded(best, limits.drop);
  const more = needed > best.accuracy_n ? `; about ${fixed(needed, 0)} would` : "";
  return ` Undecided: ${format.plural(best.accuracy_n, "sample")} cannot show whether the drop is within ${limit}${more}.`;
}

function againstOthers(best, ties, runnerUp, limits) {
  let text = "";
  if (ties.length) {
    const more = ties.length > 1 ? ` and ${fixed(ties.length - 1, 0)} more` : "";
    text += ` Statistically indistinguishable from ${configurationName(ties[0])}${more}.`;
  }
  if (!runnerUp) return text;
  if (!(best.timed && best.p50 && runnerUp.p50)) {
    return `${text} Next: ${configurationName(runnerUp)}.`;
  }
  const paired = best.paired_p50 && runnerUp.paired_p50;
  if (!paired && limits.objective === "latency" && (best.alone || runnerUp.alone)) {
    return `${text} Undecided against ${configurationName(runnerUp)}: fewer than three processes on one side.`;
  }
  const ratio = paired ? runnerUp.paired_p50 / best.paired_p50 : runnerUp.p50 / best.p50;
  const times = fixed(ratio, 2);
  if (ratio < 1 && times !== "1.00") return `${text} Next: ${configurationName(runnerUp)}.`;
  if (times === "1.00") return `${text} Practically as fast: ${configurationName(runnerUp)}.`;
  return `${text} Next: ${configurationName(runnerUp)}, ${times}× the latency${paired ? " round by round" : ""}.`;
}

function contentionOf(row) {
  if (!has(row.contended) || row.contended < WORTH_SAYING) return "";
  if (row.contended >= 1)
    return "A neighbor shared the core all the time: the undisturbed latency is not known";
  const share = `${fixed(100 * row.contended, 0)}%`;
  const then = row.contended_p50 ? `: ${format.number(row.contended_p50)} ms then` : "";
  return `A neighbor shared the core in ${share} of the time${then}`;
}

function sentenceOf(place, best, within, measured, limits, unjudged) {
  const facts = [speedOf(best), accuracyOf(best)];
  if (has(best.size)) facts.push(`${format.size(best.size)} file`);
  if (has(best.peak_rss)) facts.push(`${format.size(best.peak_rss)} peak memory`);
  if (has(best.energy)) facts.push(`${format.number(best.energy * 1e3)} mJ`);
  const doubt = doubtOf(best, limits);
  const judged = describeLimits(limits, unjudged);
  const claim = judged ? ` ${doubt ? "measured " : ""}within ${judged}` : "";
  let text = `${place}: ${configurationName(best)}: `
    + `${facts.join(", ")}; ${SUPERLATIVE[limits.objective]} of ${within}${claim} (${measured} measured).`;
  if (unjudged.length) text += ` Not judged: ${unjudged.map((name) => UNJUDGED[name]).join(", ")}.`;
  return text + doubt;
}

function reservationsOf(best) {
  let text = "";
  const neighbor = contentionOf(best);
  if (neighbor) text += ` ${neighbor}.`;
  if (best.state === "NOISY") text += " The measurement is noisy; measure again before you rely on it.";
  if (best.software) text += " The device is emulated in software.";
  return text;
}

// → [{best, ties, sentence, machine, device, model}], and `allowed` set on every row.
function choose(rows, wanted, several) {
  const groups = new Map();
  for (const row of rows) {
    row.allowed = false;
    row.best = false;
    if (!row.measured) continue;
    const key = JSON.stringify([
      row.machine, row.lineage, row.device, row.scenario,
      row.shape, row.target_qps, row.latency_bound_ms,
    ]);
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(row);
  }
  return [...groups.values()].map((group) => {
    const { machine_label: machine, device, scenario, model } = group[0];
    const limits = scenario !== "single_stream" && wanted.objective === "latency"
      ? { ...wanted, objective: "throughput" } : wanted;
    const judged = Object.fromEntries(
      LIMIT_NAMES.map((name) => [name, group.some((row) => has(row[name]))]),
    );
    for (const row of group) row.allowed = isAllowed(row, limits, judged);
    const within = group.filter((row) => row.allowed);
    const value = RANK[limits.objective];
    const latency = RANK.latency;
    const known = within.filter((row) => has(value(row)));
    let shown = known.filter((row) => isShown(row, limits));
    if (shown.every((row) => row.drop_bound === 0)) shown = known;
    const sure = shown.filter((row) => row.state !== "NOISY" || mayBeNoisy(row, limits));
    const ranked = (sure.length ? sure : shown)
      .sort((a, b) => value(a) - value(b) || (latency(a) || 0) - (latency(b) || 0) || a.id - b.id);
    const [best = null, ...behind] = ranked;
    const ties = behind.filter((row) => isTied(best, row, limits.objective));
    const runnerUp = behind.find((row) => !ties.includes(row)) || null;
    if (best) best.best = true;
    const work = group[0].work ? `, ${group[0].work}` : "";
    const where = `${device}${scenarioWords(group[0])}${work}${several ? `, ${model}` : ""}`;
    const place = `${machine}, ${where}`;
    const unjudged = LIMIT_NAMES.filter((name) => has(limits[name]) && !judged[name]);
    const measured = format.plural(group.length, "measured configuration");
    const nothing = within.length
      ? `${limits.objective} was not measured (${measured}).`
      : `none of ${measured} is within ${describeLimits(limits)}.`;
    const sentence = best
      ? sentenceOf(place, best, within.length, group.length, limits, unjudged)
        + againstOthers(best, ties, runnerUp, limits) + reservationsOf(best)
      : `${place}: ${nothing}`;
    return { machine, device: where, best, ties, sentence, unmeasured: within.length > 0 };
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
      element("h3", {}, choice.unmeasured ? "Not measured" : "Nothing is within these limits"),
      element("p", { class: "sentence" }, choice.sentence));
  }
  const options = [format.plural(best.threads, "thread")];
  if (best.batch !== 1) options.push(`batch ${best.batch}`);
  if (best.beam) options.push(`beam ${best.beam}`);
  const sentence = element("p", { class: "sentence" }, choice.sentence);
  return element(
    "article", { class: "choice" }, head,
    element("h3", {}, element("bdi", {}, best.artifact),
      element("span", { class: "where" }, ` on ${best.configuration}, ${options.join(", ")}`)),
    element(
      "dl", { class: "figures" },
      best.timed
        ? figure("Latency p50", `${format.number(best.p50)} ms`, format.interval(best.p50_low, best.p50_high, best.p50) || best.lack)
        : figure("Throughput", `${format.number(best.throughput)} /s`),
      has(best.accuracy)
        ? figure(`Accuracy (${best.metric})`, format.percent(best.accuracy),
          `n = ${fixed(best.accuracy_n, 0)}${briefDrop(best)}`)
        : null,
      has(best.size) ? figure("File", format.size(best.size)) : null,
      has(best.peak_rss) ? figure("Peak memory", format.size(best.peak_rss)) : null,
      has(best.energy) ? figure("Energy", `${format.number(best.energy * 1e3)} mJ`) : null,
      has(best.speedup) && best.format !== "keras"
        ? figure("Against Keras", `${format.number(best.speedup)}×`,
          format.interval(best.speedup_low, best.speedup_high, best.speedup))
        : null,
    ),
    contentionOf(best) && has(best.contended_p99)
      ? element("p", { class: "remark" }, `p99 over all samples, disturbed or not: ${format.number(best.contended_p99)} ms.`)
      : null,
    best.reason ? element("p", { class: "remark" }, stateBadge(best), " ", element("bdi", {}, best.reason)) : null,
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
