// Hours as stacked bars: what came in, and what became of it. Written as the browser writes times.

const seen = new WeakMap();

export default function draw({ data, parentElement }) {
  const root = parentElement.querySelector(".root");
  const drawnFrom = JSON.stringify(data);
  if (seen.get(root) === drawnFrom) return;
  seen.set(root, drawnFrom);
  const totals = data.bars.map((bar) => data.series.reduce((sum, [name]) => sum + bar[name], 0));
  const most = Math.max(...totals, 1);
  root.replaceChildren(drawLegend(data), drawPlot(data, totals, most), drawTable(data));
}

function drawLegend(data) {
  const legend = element("div", "legend");
  for (const [name, tone] of data.series) {
    const all = data.bars.reduce((sum, bar) => sum + bar[name], 0);
    const entry = element("span");
    entry.append(element("i", tone), element("b", "", number(all)), element("span", "", name));
    legend.append(entry);
  }
  return legend;
}

function drawPlot(data, totals, most) {
  const plot = element("div", "plot");
  plot.setAttribute("aria-hidden", "true");
  const bars = element("div", "bars");
  bars.append(element("span", "most", number(most)));
  data.bars.forEach((bar, at) => {
    const column = element("div", "column");
    column.title = said(data, bar);
    for (const [name, tone] of data.series) {
      if (!bar[name]) continue;
      const part = element("span", tone);
      part.style.height = `${(bar[name] / most) * 100}%`;
      column.append(part);
    }
    if (!totals[at]) column.append(element("span", "nothing"));
    bars.append(column);
  });
  const hours = element("div", "hours");
  data.bars.forEach((bar, at) => hours.append(element("span", "", at % 4 === 0 ? AXIS_HOUR.format(new Date(bar.at)) : "")));
  plot.append(bars, hours);
  return plot;
}

function said(data, bar) {
  const parts = data.series.filter(([name]) => bar[name]).map(([name]) => `${number(bar[name])} ${name}`);
  return `${HOUR.format(new Date(bar.at))}: ${parts.join(", ") || "nothing"}`;
}

// For those who do not see the bars.
function drawTable(data) {
  const table = element("table", "unseen");
  table.append(element("caption", "", data.label));
  const head = element("tr");
  for (const name of ["Hour", ...data.series.map(([name]) => name)]) {
    const cell = element("th", "", name);
    cell.scope = "col";
    head.append(cell);
  }
  table.append(head);
  for (const bar of data.bars) {
    const line = element("tr");
    const hour = element("th", "", HOUR.format(new Date(bar.at)));
    hour.scope = "row";
    line.append(hour, ...data.series.map(([name]) => element("td", "", number(bar[name]))));
    table.append(line);
  }
  return table;
}
