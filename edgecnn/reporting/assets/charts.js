// The charts: drawn by Vega from specifications made when the page was built, over the rows in
// view. Colors are CSS variables, so that the theme and the printer change them by themselves.

const PRINT_WIDTH = 760;

class Charts {
  constructor(specs, theme, rows, showRow) {
    this.specs = new Map(specs.map((spec) => [spec.name, spec]));
    this.theme = theme;
    this.byId = new Map(rows.map((row) => [row.id, row]));
    this.showRow = showRow;
    this.views = new Map();
    this.stale = new Set();
    this.seen = new Set();
    this.data = [];
    this.nameLines = Math.max(...rows.map((row) => row.label.split(" · ").length), 1);
    this.tip = document.getElementById("tooltip");
    this.queue = [...this.specs.keys()];
    this.places = new Map(
      [...document.querySelectorAll("figure[data-chart]")].map((node) => [node.dataset.chart, node]),
    );
    this.watcher = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        const name = entry.target.dataset.chart;
        if (entry.isIntersecting) this.seen.add(name);
        else this.seen.delete(name);
        if (entry.isIntersecting && this.stale.has(name)) this.update(name);
      }
    }, { rootMargin: "200px" });
  }

  // One after the other, so that the table answers in between.
  async drawAll() {
    for (const name of this.queue) {
      await new Promise((resolve) => { setTimeout(resolve, 0); });
      try {
        await this.draw(name);
      } catch (error) {
        this.places.get(name).querySelector(".canvas").textContent = `This chart could not be drawn: ${error.message}`;
        console.error(error);
      }
    }
    document.documentElement.dataset.charts = "ready";
  }

  async draw(name) {
    const figure = this.places.get(name);
    const canvas = figure.querySelector(".canvas");
    const narrow = canvas.clientWidth < 560;
    const spec = structuredClone(this.specs.get(name).spec);
    for (const signal of spec.signals || []) {
      if (signal.name === "narrow") signal.value = narrow;
      else if (signal.name === "y_step" && narrow) signal.value = Math.max(signal.value, this.nameLines * 12 + 1);
      else if (signal.name in this.theme.signals) signal.value = this.theme.signals[signal.name];
    }
    spec.data.find((entry) => entry.name === "rows").values = this.copies();
    const result = await window.edgecnnEmbed(canvas, spec, {
      mode: "vega",
      renderer: "svg",
      actions: false,
      ast: true,
      defaultStyle: false,
      logLevel: 1, // errors; an empty selection is no reason to warn
      config: this.theme.config,
      tooltip: (_handler, event, _item, value) => this.showTip(event, value),
    });
    result.view.addEventListener("click", (_event, item) => {
      const row = item && item.datum && this.byId.get(item.datum.id);
      if (row) this.showRow(row);
    });
    // The chart's words are on its frame; its hundreds of marks are no list to read out.
    canvas.querySelector("svg").setAttribute("aria-hidden", "true");
    this.views.set(name, result.view);
    this.watcher.observe(figure);
  }

  // Vega writes into the objects that it is given, so each view gets its own.
  copies() {
    return this.data.map((row) => ({ ...row }));
  }

  setRows(rows) {
    this.data = rows;
    for (const name of this.views.keys()) {
      this.stale.add(name);
      if (this.seen.has(name)) this.update(name);
    }
  }

  update(name) {
    this.stale.delete(name);
    this.views.get(name).data("rows", this.copies()).runAsync();
  }

  // At the width of a sheet, and now: the printer does not wait.
  prepareForPrint() {
    for (const [name, view] of this.views) {
      if (this.stale.delete(name)) view.data("rows", this.copies());
      view.width(PRINT_WIDTH).run();
    }
  }

  afterPrint() {
    for (const view of this.views.values()) view.resize().runAsync();
    window.dispatchEvent(new Event("resize"));
  }

  showTip(event, value) {
    const row = has(value) && value !== "" ? this.byId.get(Number(value)) : null;
    if (!row) {
      this.tip.hidden = true;
      return;
    }
    const lines = [
      ["Latency p50", `${format.number(row.p50)} ms ${format.interval(row.p50_low, row.p50_high, row.p50)}`],
      ["p90 / p99", `${format.number(row.p90)} / ${format.number(row.p99)} ms`],
      ["Accuracy", has(row.accuracy) ? `${format.percent(row.accuracy)} ${format.percentInterval(row.accuracy_low, row.accuracy_high)}` : ""],
      ["Size", has(row.size) ? format.size(row.size) : ""],
      ["Peak memory", has(row.peak_rss) ? format.size(row.peak_rss) : ""],
      ["Load + first", has(row.load) ? `${format.number(row.load)} + ${format.number(row.first)} ms` : ""],
      ["Verdict", row.state === "VALID" ? "" : `${row.state}: ${row.reason.slice(0, 120)}`],
    ].filter(([, words]) => words);
    this.tip.replaceChildren(
      element("strong", {}, element("bdi", {}, row.label)),
      element("dl", {}, lines.map(([name, words]) => element("div", {}, element("dt", {}, name), element("dd", {}, words)))),
    );
    this.tip.hidden = false;
    const { offsetWidth: width, offsetHeight: height } = this.tip;
    this.tip.style.left = `${Math.max(8, Math.min(event.clientX + 14, window.innerWidth - width - 8))}px`;
    this.tip.style.top = `${Math.max(8, Math.min(event.clientY + 14, window.innerHeight - height - 8))}px`;
  }
}
