"use strict";

const byId = (id) => document.getElementById(id);
const number = (value, digits = 1) => (value == null ? "–" : value.toFixed(digits));

function row(stage, time) {
  const tr = document.createElement("tr");
  const th = document.createElement("th");
  th.scope = "row";
  th.textContent = stage;
  tr.append(th);
  for (const value of [time.p50_ms, time.p95_ms]) {
    const td = document.createElement("td");
    td.textContent = number(value);
    tr.append(td);
  }
  return tr;
}

function happened(event) {
  const li = document.createElement("li");
  const what = event.event === "appear" ? "appears" : "leaves";
  li.textContent = `${event.seconds.toFixed(1)} s: ${event.label} #${event.track} ${what} (${event.score.toFixed(2)})`;
  return li;
}

function show(state) {
  if (state.fps === undefined) return;
  byId("what").textContent = [state.model, state.runtime, state.precision, state.notice]
    .filter(Boolean).join(" · ");
  byId("fps").textContent = number(state.fps);
  const latency = state.stages.latency;
  byId("latency").textContent = latency ? `${number(latency.p50_ms)} ms` : "–";
  byId("signs").textContent = state.signs;
  byId("drops").textContent = state.drops;
  byId("stages").replaceChildren(...Object.entries(state.stages).map(([stage, time]) => row(stage, time)));
  byId("controls").hidden = !state.controllable;
  document.querySelector("[data-do=pause]").textContent = state.paused ? "Go on" : "Pause";
  if (state.events.length) byId("events").replaceChildren(...state.events.map(happened));
}

async function poll() {
  try {
    const answer = await fetch("/state.json", { signal: AbortSignal.timeout(4000) });
    show(await answer.json());
    if (document.body.classList.contains("stale")) byId("picture").src = `/stream.mjpg?${Date.now()}`;
    document.body.classList.remove("stale");
  } catch {
    document.body.classList.add("stale");
    byId("what").textContent = "no connection to edgecnn; it may have ended";
  }
  setTimeout(poll, 1000);
}

byId("controls").addEventListener("click", (click) => {
  const wanted = click.target.dataset.do;
  if (!wanted) return;
  const body = JSON.stringify({ do: wanted });
  fetch("/command", { method: "POST", headers: { "Content-Type": "application/json" }, body });
});

poll();
