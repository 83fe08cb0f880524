// Rows out of the data block, and how numbers are written (as in edgecnn/numbers.py).

const DASH = "–";
const MINUS = "−";

function readBlock(id) {
  return JSON.parse(document.getElementById(id).textContent);
}

function decodeRows(block) {
  const names = Object.keys(block.columns);
  const columns = names.map((name) => {
    const column = block.columns[name];
    return Array.isArray(column) ? column : column.s.map((index) => block.strings[index]);
  });
  const rows = [];
  for (let i = 0; i < block.count; i += 1) {
    const row = {};
    for (let c = 0; c < names.length; c += 1) row[names[c]] = columns[c][i];
    row.search = [
      row.artifact, row.model, row.format, row.recipe, row.configuration, row.machine_label,
      row.state, row.reason, runtimeNotes(row), row.provider, row.precision, row.device_name,
    ].join(" ").toLowerCase();
    rows.push(row);
  }
  return rows;
}

const has = (value) => value !== null && value !== undefined;

function decimals(value, significant = 3) {
  if (value === 0 || !Number.isFinite(value)) return 0;
  return Math.min(5, Math.max(0, significant - 1 - Math.floor(Math.log10(Math.abs(value)))));
}

function fixed(value, places) {
  const [whole, rest] = Math.abs(value).toFixed(places).split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return (value < 0 ? "-" : "") + grouped + (rest ? `.${rest}` : "");
}

const format = {
  number: (value, significant = 3) => (has(value) ? fixed(value, decimals(value, significant)) : DASH),
  interval(low, high, like) {
    if (!has(low) || !has(high) || !has(like)) return "";
    const places = Math.min(5, decimals(like) + 1);
    return `[${fixed(low, places)}, ${fixed(high, places)}]`;
  },
  percent: (share, places = 1) => (has(share) ? `${fixed(100 * share, places)}%` : DASH),
  percentInterval: (low, high) =>
    has(low) && has(high) ? `[${fixed(100 * low, 1)}, ${fixed(100 * high, 1)}]` : "",
  points(value) {
    if (!has(value)) return DASH;
    const text = Math.abs(value).toFixed(2);
    if (Number(text) === 0) return "±0.00";
    return (value < 0 ? MINUS : "+") + text;
  },
  size(count) {
    if (!has(count)) return DASH;
    let value = count;
    for (const unit of ["B", "kB", "MB"]) {
      if (value < 1000) return `${unit === "B" ? Math.trunc(value) : format.number(value)} ${unit}`;
      value /= 1000;
    }
    return `${format.number(value)} GB`;
  },
  plural: (count, noun) => `${fixed(count, 0)} ${noun}${count === 1 ? "" : "s"}`,
};

// Elements are made here and nowhere else: text is set as text, never parsed.
function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") node.className = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined && child !== "") node.append(child);
  }
  return node;
}

async function copyText(text, button) {
  let done = false;
  try {
    await navigator.clipboard.writeText(text);
    done = true;
  } catch {
    const area = element("textarea", { class: "offscreen", "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    done = document.execCommand("copy");
    area.remove();
  }
  const label = button.textContent;
  button.textContent = done ? "Copied" : "Copying failed";
  announce(done ? "Copied to the clipboard" : "Copying failed");
  setTimeout(() => { button.textContent = label; }, 1500);
}

function announce(text) {
  document.getElementById("announcer").textContent = text;
}
