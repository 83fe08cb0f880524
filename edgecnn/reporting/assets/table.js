// The table: sorted, filtered, drawn in pieces as the reader scrolls.

const FIRST_ROWS = 60;
const MORE_ROWS = 200;
const FILTERS = [
  ["state", "Verdict"], ["machine_label", "Machine"], ["model", "Model"], ["recipe", "Recipe"],
  ["runtime", "Runtime"], ["device", "Device"], ["threads", "Threads"], ["batch", "Batch"], ["scenario", "Scenario"],
];
const USABLE = "usable";

// What says whether a repeat of the row gives the same numbers; the page carries its results.
function compareCommand(row) {
  const out = / --out (.+)$/.exec(row.command || "");
  const page = decodeURIComponent(window.location.pathname.split("/").pop());
  return out && /^[\w.+-]+$/.test(page) ? `edgecnn compare ${page} ${out[1]}` : "";
}

class Table {
  constructor(root, rows, onChange) {
    this.root = root;
    this.rows = rows;
    this.onChange = onChange;
    this.body = root.querySelector("tbody");
    this.head = root.querySelector("thead tr");
    this.more = document.getElementById("more-rows");
    this.sort = { key: "p50", down: false };
    this.open = new Set();
    prepareColumns(rows);
    const several = (key) => new Set(rows.map((row) => row[key])).size > 1;
    this.available = COLUMNS.filter((column) => rows.some((row) => {
      const value = column.value(row);
      return has(value) && value !== "" && !(column.key === "outliers" && value === 0);
    }));
    this.visible = new Set(
      this.available
        .filter((column) => column.shown === true || (column.shown === "several" && several(column.key))
          || (column.shown === "one machine" && !several("machine_label")))
        .map((column) => column.key),
    );
    for (const column of this.available) {
      if (column.numeric) column.places = columnPlaces(column, rows);
    }
    this.buildFilters();
    this.buildChooser();
    this.more.querySelector("button").addEventListener("click", () => this.draw(this.shown.length));
    if ("IntersectionObserver" in window) {
      new IntersectionObserver((entries) => {
        if (entries.some((entry) => entry.isIntersecting)) this.draw(this.drawn + MORE_ROWS);
      }, { rootMargin: "600px" }).observe(this.more);
    }
    this.refresh();
  }

  columns() {
    return this.available.filter((column) => this.visible.has(column.key));
  }

  buildFilters() {
    const place = document.getElementById("filters");
    this.search = document.getElementById("search");
    let waiting = 0;
    this.search.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => this.refresh(), 80);
    });
    this.selects = {};
    for (const [key, label] of FILTERS) {
      const values = [...new Set(this.rows.map((row) => row[key]))].filter((value) => has(value) && value !== "");
      if (values.length < 2) continue;
      values.sort((a, b) => (typeof a === "number" ? a - b : String(a).localeCompare(String(b))));
      const select = element(
        "select", { id: `filter-${key}`, onchange: () => this.refresh() },
        element("option", { value: "" }, "all"),
        key === "state" ? element("option", { value: USABLE }, "usable only") : null,
        values.map((value) => element("option", { value }, String(value))),
      );
      this.selects[key] = select;
      place.append(element("label", { class: "field" }, element("span", {}, label), select));
    }
    document.getElementById("clear").addEventListener("click", () => this.clear());
  }

  clear() {
    this.search.value = "";
    for (const select of Object.values(this.selects)) select.value = "";
    this.refresh();
  }

  filtered() {
    const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = Object.entries(this.selects).filter(([, select]) => select.value !== "");
    return this.rows.filter((row) => {
      for (const [key, select] of wanted) {
        if (key === "state" && select.value === USABLE) {
          if (!row.measured) return false;
        } else if (String(row[key]) !== select.value) return false;
      }
      return words.every((word) => (
        word.length > 1 && word.startsWith("-") ? !row.search.includes(word.slice(1)) : row.search.includes(word)
      ));
    });
  }

  refresh() {
    this.shown = this.filtered();
    const whole = this.shown.length === this.rows.length;
    const label = whole
      ? format.plural(this.rows.length, "row")
      : `${fixed(this.shown.length, 0)} of ${format.plural(this.rows.length, "row")}`;
    document.getElementById("count").textContent = label;
    document.getElementById("clear").hidden = whole;
    this.onChange(this.shown, whole);
    this.resort();
  }

  resort() {
    const column = COLUMNS.find((candidate) => candidate.key === this.sort.key);
    const sign = this.sort.down ? -1 : 1;
    this.shown.sort((a, b) => {
      if (a.measured !== b.measured) return a.measured ? -1 : 1;
      const [x, y] = [column.value(a), column.value(b)];
      if (!has(x) || !has(y)) return has(x) === has(y) ? a.id - b.id : has(x) ? -1 : 1;
      const order = typeof x === "number" ? x - y : String(x).localeCompare(String(y), undefined, { numeric: true });
      return sign * order || a.id - b.id;
    });
    this.drawHead();
    this.body.replaceChildren();
    this.drawn = 0;
    this.draw(FIRST_ROWS);
  }

  drawHead() {
    this.head.replaceChildren(...this.columns().map((column) => {
      const active = this.sort.key === column.key;
      const direction = active ? (this.sort.down ? "descending" : "ascending") : null;
      return element(
        "th", { scope: "col", class: column.numeric ? "numeric" : "", "aria-sort": direction },
        element(
          "button", { type: "button", onclick: () => this.sortBy(column) },
          column.head,
          element("span", { class: "arrow", "aria-hidden": "true" }, active ? (this.sort.down ? "▼" : "▲") : ""),
          column.unit ? element("span", { class: "unit" }, column.unit) : null,
        ),
      );
    }));
  }

  sortBy(column) {
    const same = this.sort.key === column.key;
    this.sort = { key: column.key, down: same ? !this.sort.down : false };
    this.resort();
    const button = [...this.head.querySelectorAll("button")][this.columns().indexOf(column)];
    button?.focus();
    announce(`Sorted by ${column.head}, ${this.sort.down ? "descending" : "ascending"}`);
  }

  draw(upTo) {
    const end = Math.min(this.shown.length, upTo);
    if (end > this.drawn) {
      const columns = this.columns();
      const piece = document.createDocumentFragment();
      for (const row of this.shown.slice(this.drawn, end)) this.appendRow(piece, row, columns);
      this.body.append(piece);
      this.drawn = end;
    }
    this.more.hidden = this.drawn >= this.shown.length;
    this.more.querySelector("button").textContent = `Show all ${fixed(this.shown.length, 0)} rows`;
    document.getElementById("nothing").hidden = this.shown.length > 0;
  }

  appendRow(place, row, columns) {
    const line = element(
      "tr", { id: `row-${row.id}`, class: [row.measured ? "" : "dim", row.best ? "best" : ""].join(" ").trim() },
      columns.map((column) => this.cell(row, column)),
    );
    place.append(line);
    const words = row.reason;
    if (words || row.state !== "VALID") {
      const advice = row.advice ? element("span", { class: "advice" }, element("bdi", {}, row.advice)) : null;
      place.append(element(
        "tr", { class: "why" },
        element("td", { colspan: columns.length }, words ? element("bdi", {}, words) : null, advice),
      ));
    }
    if (this.open.has(row.id)) place.append(this.details(row, columns.length));
  }

  cell(row, column) {
    if (column.state) {
      return element("td", {}, stateBadge(row), row.incomparable ? element("span", { class: "sub" }, "not comparable") : null);
    }
    if (column.name) {
      return element(
        "th", { scope: "row" },
        element("button", {
          type: "button",
          class: "opener",
          "aria-expanded": String(this.open.has(row.id)),
          onclick: (event) => this.toggle(row, event.currentTarget),
        }, element("bdi", {}, breakable(row.artifact || row.model))),
      );
    }
    const sub = column.sub ? column.sub(row) : "";
    const main = column.main(row);
    return element(
      "td", { class: [column.numeric ? "numeric" : "", column.code ? "code" : ""].join(" ").trim() || null },
      column.numeric ? numberNode(main, column.places) : element("bdi", { class: "main" }, main),
      sub ? element("span", { class: "sub" }, sub) : null,
    );
  }

  toggle(row, button) {
    const line = button.closest("tr");
    if (this.open.delete(row.id)) {
      let next = line.nextElementSibling;
      if (next?.classList.contains("why")) next = next.nextElementSibling;
      next?.remove();
    } else {
      this.open.add(row.id);
      const next = line.nextElementSibling;
      const before = next?.classList.contains("why") ? next : line;
      before.after(this.details(row, this.columns().length));
    }
    button.setAttribute("aria-expanded", String(this.open.has(row.id)));
  }

  details(row, span) {
    const facts = [
      ["Command", row.command], ["Reproduced?", compareCommand(row)],
      ["Executed by", [row.provider, row.runtime_version].filter(Boolean).join(" ")],
      ["Precision executed", row.precision], ["Device", row.device_name],
      ["Nodes on that device", has(row.delegated) ? format.percent(row.delegated) : ""],
      ["Samples", row.samples ? `${fixed(row.samples, 0)} in ${processes(row)}, ${format.plural(row.outliers, "outlier")} kept` : ""],
      ["Neighbor", contentionOf(row) ? `${contentionOf(row)}; these samples stay out of the latency` : ""],
      ["Parity with the parent", has(row.cosine)
        ? `cosine ${row.cosine.toFixed(6)}, ${has(row.snr_db) ? `${format.number(row.snr_db)} dB` : "identical"}` : ""],
      ["Input", row.fed],
      ["SHA-256", row.sha256], ["Not comparable", row.incomparable],
      ["Costliest operators", row.operators.map(([name, share]) => `${name} ${format.percent(share)}`).join(", ")],
    ].filter(([, value]) => value);
    return element(
      "tr", { class: "details" },
      element("td", { colspan: span }, element(
        "dl", {}, facts.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, element("bdi", {}, value)))),
      )),
    );
  }

  show(row) {
    if (!this.shown.includes(row)) this.clear();
    this.draw(this.shown.indexOf(row) + 10);
    const line = document.getElementById(`row-${row.id}`);
    line.scrollIntoView({ block: "center" });
    line.classList.add("flash");
    line.querySelector("button")?.focus({ preventScroll: true });
    setTimeout(() => line.classList.remove("flash"), 2000);
  }

  buildChooser() {
    const place = document.getElementById("chooser");
    place.append(...this.available.filter((column) => !column.name).map((column) => element(
      "label", {},
      element("input", {
        type: "checkbox",
        value: column.key,
        checked: this.visible.has(column.key),
        onchange: (event) => {
          if (event.target.checked) this.visible.add(column.key);
          else this.visible.delete(column.key);
          this.resort();
        },
      }),
      headText(column),
    )));
  }
}
