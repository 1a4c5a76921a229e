"use strict";
const figures = JSON.parse(document.getElementById("figures").textContent);
const config = { responsive: true, displayModeBar: "hover", displaylogo: false, modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"] };

// Figures name their colours as the page's CSS does ("--ink"), so that both follow light and dark.
function inked(value, css) {
  if (typeof value === "string") return (value.startsWith("--") && css.getPropertyValue(value).trim()) || value;
  if (Array.isArray(value)) return value.map((item) => inked(item, css));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, inked(item, css)]));
}

function dressed(figure) {
  const axis = { gridcolor: "--grid", zerolinecolor: "--soft", linecolor: "--line", tickcolor: "--line", automargin: true };
  const bar = { bgcolor: "rgba(0,0,0,0)", color: "--line", activecolor: "--soft" };
  const layout = {
    font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: "--ink" },
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    margin: { l: 60, r: 16, t: 16, b: 48 }, hoverlabel: { font: { size: 12 } }, modebar: bar,
    ...figure.layout,
  };
  for (const key of Object.keys(layout).filter((name) => /^[xy]axis\d*$/.test(name))) {
    layout[key] = { ...axis, ...layout[key] };
    if (layout[key].title) layout[key].title = { font: { size: 13, color: "--soft" }, ...layout[key].title };
  }
  return { data: figure.data, layout };
}

function draw(div) {
  const { data, layout } = inked(dressed(figures[Number(div.dataset.figure)]), getComputedStyle(document.documentElement));
  Plotly.react(div, data, layout, config);
  div.dataset.drawn = "yes";
}

function show(button) {
  for (const other of button.parentElement.children) {
    const chosen = other === button;
    other.setAttribute("aria-selected", String(chosen));
    other.tabIndex = chosen ? 0 : -1;
    document.getElementById(other.getAttribute("aria-controls")).hidden = !chosen;
  }
  document.getElementById(button.getAttribute("aria-controls")).querySelectorAll(".plot").forEach(draw);
}

function step(event) {
  const way = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!way) return;
  const all = [...event.currentTarget.parentElement.children];
  const next = all[(all.indexOf(event.currentTarget) + way + all.length) % all.length];
  show(next);
  next.focus();
}

document.querySelectorAll(".plot").forEach((div) => { if (!div.closest("[hidden]")) draw(div); });
document.querySelectorAll(".tabs button").forEach((button) => {
  button.addEventListener("click", () => show(button));
  button.addEventListener("keydown", step);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  document.querySelectorAll(".plot[data-drawn]").forEach((div) => { if (!div.closest("[hidden]")) draw(div); });
});
