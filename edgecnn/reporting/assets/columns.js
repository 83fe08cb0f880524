// What the table can show: for each column its head, its cell and its text when copied.

const num = (key, head, options = {}) => ({
  key,
  head,
  numeric: true,
  value: (row) => row[key],
  main: (row) => format.number(scaled(row[key], options.scale)),
  sub: options.low
    ? (row) => format.interval(
      scaled(row[options.low], options.scale), scaled(row[options.high], options.scale),
      scaled(row[key], options.scale),
    )
    : null,
  plain: (row) => row[key],
  ...options,
});
const scaled = (value, scale = 1) => (has(value) ? value * scale : value);
const text = (key, head, options = {}) => ({
  key,
  head,
  value: (row) => row[key] || null,
  main: (row) => row[key] || DASH,
  plain: (row) => row[key],
  ...options,
});

function runtimeNotes(row) {
  const notes = [format.plural(row.threads, "thread")];
  if (row.batch !== 1) notes.push(`batch ${row.batch}`);
  if (row.scenario !== "single_stream") notes.push(`${row.scenario.replaceAll("_", " ")}, ${format.plural(row.streams, "stream")}`);
  if (row.work) notes.push(row.work);
  if (row.beam) notes.push(`beam ${row.beam}`);
  if (row.affinity) notes.push(`cores ${row.affinity}`);
  if (row.precision_asked === "strict_float32") notes.push("strict float32");
  else if (row.precision && row.precision !== row.recipe) notes.push(`ran ${row.precision}`);
  if (row.software) notes.push("emulated in software");
  return notes.join(", ");
}

const processes = (row) => `${fixed(row.processes, 0)} ${row.processes === 1 ? "process" : "processes"}`;

const COLUMNS = [
  text("artifact", "Artifact", { shown: true, name: true }),
  text("machine_label", "Machine", { shown: "several" }),
  text("model", "Model"),
  text("format", "Format"),
  text("recipe", "Recipe"),
  text("configuration", "Runtime", {
    shown: true,
    sub: (row) => runtimeNotes(row),
  }),
  num("threads", "Threads", { main: (row) => String(row.threads) }),
  num("batch", "Batch", { main: (row) => String(row.batch) }),
  text("precision", "Precision executed"),
  num("p50", "p50", {
    unit: "ms",
    shown: true,
    low: "p50_low",
    high: "p50_high",
    sub: (row) => format.interval(row.p50_low, row.p50_high, row.p50) || row.lack,
  }),
  num("p90", "p90", { unit: "ms", shown: "one machine", low: "p90_low", high: "p90_high" }),
  num("p95", "p95", { unit: "ms", low: "p95_low", high: "p95_high" }),
  num("p99", "p99", { unit: "ms", shown: true, low: "p99_low", high: "p99_high" }),
  num("mean", "Mean", {
    unit: "ms", sub: (row) => (has(row.std) ? `± ${format.number(row.std)} std` : ""),
  }),
  num("minimum", "Min", { unit: "ms" }),
  num("maximum", "Max", { unit: "ms" }),
  num("throughput", "Throughput", { unit: "1/s" }),
  num("speedup", "Speed-up", { unit: "× Keras", shown: true, low: "speedup_low", high: "speedup_high" }),
  num("accuracy", "Accuracy", {
    unit: "%",
    shown: true,
    main: (row) => (has(row.accuracy) ? fixed(100 * row.accuracy, 1) : DASH),
    sub: (row) => (has(row.accuracy)
      ? `${format.percentInterval(row.accuracy_low, row.accuracy_high)}${oneCount ? "" : ` n ${fixed(row.accuracy_n, 0)}`}`
      : ""),
  }),
  num("drop", "Drop", {
    unit: "points",
    shown: true,
    low: "drop_low",
    high: "drop_high",
    main: (row) => (has(row.drop) ? format.points(row.drop).replace("+", "") : DASH),
    sub: (row) => (has(row.drop_low) && row.drop_low < row.drop_high
      ? `[${fixed(row.drop_low, 2)}, ${fixed(row.drop_high, 2)}]`.replaceAll("-", MINUS) : ""),
  }),
  num("contended", "Neighbor", {
    unit: "% of the time",
    main: (row) => (has(row.contended) ? fixed(100 * row.contended, 0) : DASH),
    sub: (row) => (row.contended_p50 ? `${format.number(row.contended_p50)} ms then` : ""),
  }),
  num("contended_p99", "p99 with the neighbor", { unit: "ms" }),
  num("size", "Size", { unit: "kB", shown: true, scale: 1e-3 }),
  num("peak_rss", "Peak RSS", { unit: "MB", shown: true, scale: 1e-6, low: "peak_rss_low", high: "peak_rss" }),
  num("load_growth", "Growth at load", { unit: "MB", scale: 1e-6 }),
  num("load", "Load", { unit: "ms", low: "load_low", high: "load_high" }),
  num("first", "First inference", { unit: "ms", low: "first_low", high: "first_high" }),
  num("end_to_end", "End to end", { unit: "ms" }),
  num("encoder", "Encoder", { unit: "ms" }),
  num("step", "Step", { unit: "ms" }),
  num("ids_per_s", "Ids", { unit: "a second" }),
  num("leak", "Growth in use", { unit: "MB", scale: 1e-6 }),
  text("scenario", "Scenario"),
  num("energy", "Energy", { unit: "mJ", scale: 1e3 }),
  num("roof_share", "Of the limit", {
    unit: "% of roofline", main: (row) => (has(row.roof_share) ? fixed(100 * row.roof_share, 1) : DASH),
  }),
  num("agreement", "Agreement", {
    unit: "% top-1", main: (row) => (has(row.agreement) ? fixed(100 * row.agreement, 1) : DASH),
  }),
  num("cosine", "Cosine", { main: (row) => (has(row.cosine) ? row.cosine.toFixed(5) : DASH) }),
  num("snr_db", "SNR", { unit: "dB" }),
  num("samples", "Samples", {
    main: (row) => fixed(row.samples, 0),
    sub: (row) => (row.processes ? processes(row) : ""),
  }),
  num("outliers", "Outliers", { main: (row) => fixed(row.outliers, 0) }),
  text("fed", "Input"),
  text("provider", "Provider"),
  text("device_name", "Device"),
  text("runtime_version", "Version"),
  text("sha256", "SHA-256", { main: (row) => (row.sha256 ? `${row.sha256.slice(0, 12)}…` : DASH) }),
  text("command", "Command", { code: true }),
  text("state", "Verdict", { shown: true, state: true }),
];

const STATE_MARKS = {
  VALID: "✓", NOISY: "≈", INVALID: "✕", unjudged: "·", unsupported: "–", failed: "!", timeout: "!", crashed: "!",
};

// Where all rows were judged on as many samples, the head says so once.
let oneCount = 0;
function prepareColumns(rows) {
  const counts = new Set(rows.filter((row) => has(row.accuracy)).map((row) => row.accuracy_n));
  const metrics = new Set(rows.filter((row) => has(row.accuracy)).map((row) => row.metric));
  oneCount = counts.size === 1 ? [...counts][0] : 0;
  const column = COLUMNS.find((candidate) => candidate.key === "accuracy");
  if (metrics.size === 1) column.unit = `% ${[...metrics][0]}`;
  if (oneCount) column.unit += `, n ${fixed(oneCount, 0)}`;
}

// A long name may break behind its dots, dashes and underscores.
function breakable(name) {
  return name.split(/(?<=[._\-/])/).flatMap((part, index) => (index ? [element("wbr"), part] : [part]));
}

function stateBadge(row) {
  return element(
    "span", { class: `state state-${row.state.toLowerCase()}` },
    element("span", { "aria-hidden": "true" }, `${STATE_MARKS[row.state] || "?"} `), row.state,
  );
}

// Splits a number at its point, so that points stand below each other.
function numberNode(shown, places) {
  const match = /^([^.]*?)(\.\d+)?$/.exec(shown);
  if (!match || shown === DASH) return element("span", { class: "main" }, shown, pad(places));
  return element("span", { class: "main" }, match[1], element("span", { class: "fraction" }, match[2] || "", pad(places - (match[2] || "").length)));
}

function pad(count) {
  return count > 0 ? element("span", { class: "pad", "aria-hidden": "true", style: `width:${count}ch` }) : null;
}

function columnPlaces(column, rows) {
  let places = 0;
  for (const row of rows) {
    const rest = column.main(row).split(".")[1];
    if (rest) places = Math.max(places, rest.length + 1);
  }
  return places;
}

function csvCell(value) {
  if (!has(value)) return "";
  if (typeof value === "number") return String(value);
  const neutral = /^[=+\-@\t\r|%]/.test(value) ? `'${value}` : value;
  return /[",\n\r]/.test(neutral) ? `"${neutral.replaceAll('"', '""')}"` : neutral;
}

function markdownCell(value) {
  return String(value).replace(/([\\`*_{}[\]<>#|~@$&!])/g, "\\$1")
    .replace(/(https?):\/\/|\bwww\./gi, (found) => found.replace(":", "\\:").replace(".", "\\."));
}

const headText = (column) => (column.unit ? `${column.head} (${column.unit})` : column.head);

function asCsv(columns, rows) {
  const lines = [columns.flatMap((column) => [
    csvCell(headText(column)), ...(column.low ? [`${column.head} low`, `${column.head} high`] : []),
  ])];
  for (const row of rows) {
    lines.push(columns.flatMap((column) => [
      csvCell(column.numeric ? scaled(column.plain(row), column.scale) : column.plain(row)),
      ...(column.low
        ? [csvCell(scaled(row[column.low], column.scale)), csvCell(scaled(row[column.high], column.scale))]
        : []),
    ]));
  }
  return `${lines.map((line) => line.join(",")).join("\r\n")}\r\n`;
}

function asMarkdown(columns, rows) {
  const lines = [
    `| ${columns.map((column) => markdownCell(headText(column))).join(" | ")} |`,
    `|${columns.map((column) => (column.numeric ? "--:" : ":--")).join("|")}|`,
  ];
  for (const row of rows) {
    const cells = columns.map((column) => {
      const sub = column.sub ? column.sub(row) : "";
      return markdownCell(sub ? `${column.main(row)} ${sub}` : column.main(row));
    });
    lines.push(`| ${cells.join(" | ")} |`);
  }
  return `${lines.join("\n")}\n`;
}
