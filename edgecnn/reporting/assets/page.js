// Puts the parts together: rows, answer, table, charts, theme, printing.

function cycleTheme(button) {
  const root = document.documentElement;
  const order = ["auto", "light", "dark"];
  const apply = (name) => {
    root.dataset.theme = name;
    button.textContent = `Theme: ${name}`;
  };
  let stored = "auto";
  try {
    stored = localStorage.getItem("edgecnn-theme") || "auto";
  } catch { /* no storage, no memory */ }
  apply(order.includes(stored) ? stored : "auto");
  button.addEventListener("click", () => {
    const next = order[(order.indexOf(root.dataset.theme) + 1) % order.length];
    apply(next);
    try {
      localStorage.setItem("edgecnn-theme", next);
    } catch { /* as above */ }
  });
}

const FIRST_CARDS = 12;

function start() {
  cycleTheme(document.getElementById("theme"));
  const block = readBlock("edgecnn-data");
  const rows = decodeRows(block);
  const form = document.getElementById("limits");
  const cards = document.getElementById("choices");
  let table = null;
  let shown = rows;
  let charts = null;
  const showRow = (row) => table.show(row);

  let mostCards = FIRST_CARDS;
  const answer = (words) => {
    const several = new Set(shown.filter((row) => row.measured).map((row) => row.model)).size > 1;
    const choices = choose(shown, readLimits(form), several);
    cards.replaceChildren(...choices.slice(0, mostCards).map((choice) => choiceCard(choice, showRow)));
    if (choices.length > mostCards) {
      cards.append(element("p", { class: "more" }, element("button", {
        type: "button", onclick: () => { mostCards = Infinity; answer(false); },
      }, `Show all ${fixed(choices.length, 0)} answers`)));
    }
    if (choices.length === 0) cards.append(element("p", { class: "none" }, "No row in view could be measured."));
    if (words) announce(choices.map((choice) => choice.sentence).join(" "));
    if (charts) charts.setRows(shown);
  };

  table = new Table(document.getElementById("table"), rows, (view, whole) => {
    shown = [...view];
    document.getElementById("answer-scope").hidden = whole;
    answer(false);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => {
    answer(true);
    table.resort();
  });
  form.addEventListener("reset", () => setTimeout(() => { answer(true); table.resort(); }, 0));
  document.getElementById("copy-csv").addEventListener("click", (event) => {
    copyText(asCsv(table.columns(), table.shown), event.currentTarget);
  });
  document.getElementById("copy-markdown").addEventListener("click", (event) => {
    copyText(asMarkdown(table.columns(), table.shown), event.currentTarget);
  });
  for (const button of document.querySelectorAll("button[data-copy]")) {
    button.addEventListener("click", () => {
      copyText(document.getElementById(button.dataset.copy).textContent, button);
    });
  }
  document.documentElement.dataset.table = "ready";
  performance.mark("edgecnn-table");

  window.addEventListener("beforeprint", () => {
    table.draw(table.shown.length);
    for (const details of document.querySelectorAll("details.troubles")) details.open = true;
    if (charts) charts.prepareForPrint();
  });
  window.addEventListener("afterprint", () => {
    if (charts) charts.afterPrint();
  });
  window.addEventListener("load", () => {
    charts = new Charts(readBlock("edgecnn-charts"), readBlock("edgecnn-look"), rows, showRow);
    charts.data = shown;
    charts.drawAll();
  });
}

start();
