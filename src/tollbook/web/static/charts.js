// Draws each figure.chart from its own table with uPlot: bars that stack, or lines. Names stand at what they name.
"use strict";
(() => {
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const COLOURS = 8;
  const NANOS = 1e9;
  const dollars = (nanos) => {
    const usd = nanos / NANOS;
    const size = Math.abs(usd);
    if (size >= 1e6) return `$${(usd / 1e6).toFixed(1)}M`;
    if (size >= 1e4) return `$${(usd / 1e3).toFixed(0)}k`;
    const sign = usd < 0 ? "-" : "";
    if (size >= 100 || Number.isInteger(usd)) return `${sign}$${size.toFixed(0)}`;
    if (size >= 1) return `${sign}$${size.toFixed(2)}`;
    return `${sign}$${Number(size.toPrecision(2))}`;
  };
  const whole = (value) => value.toLocaleString("en");
  const format = { usd: dollars, count: whole };

  const read = (figure) => {
    const heads = [...figure.querySelectorAll("thead th")].slice(1);
    const rows = [...figure.querySelectorAll("tbody tr")];
    return {
      names: heads.map((head) => head.textContent),
      roles: heads.map((head) => head.dataset.role || ""),
      labels: rows.map((row) => row.cells[0].textContent),
      columns: heads.map((_, n) => rows.map((row) => {
        const value = row.cells[n + 1].dataset.y;
        return value === "" ? null : Number(value);
      })),
      shown: rows.map((row) => [...row.cells].slice(1).map((cell) => cell.textContent)),
    };
  };

  const stacked = (columns) => {
    const sums = columns[0].map(() => 0);
    return columns.map((column) => column.map((value, n) => (sums[n] += value || 0)));
  };

  const short = (context, text, room) => {
    if (context.measureText(text).width <= room) return text;
    // Of a path its end tells more than its beginning.
    const path = text.includes("/");
    let cut = [...text];
    const shown = () => (path ? `…${cut.join("")}` : `${cut.join("")}…`);
    while (cut.length > 1 && context.measureText(shown()).width > room) cut = path ? cut.slice(1) : cut.slice(0, -1);
    return shown();
  };

  // Names at the right edge, each at the height of what it names, moved apart where they would touch.
  const nameAtEdge = (u, marks) => {
    const ratio = devicePixelRatio;
    const context = u.ctx;
    const line = 15 * ratio;
    const left = u.bbox.left + u.bbox.width + 8 * ratio;
    const room = u.width * ratio - left - 2 * ratio;
    const placed = marks.map((mark) => ({ ...mark, at: u.valToPos(mark.value, "y", true) })).sort((a, b) => a.at - b.at);
    let above = u.bbox.top - line / 2;
    for (const mark of placed) { mark.at = Math.max(mark.at, above + line); above = mark.at; }
    let below = u.bbox.top + u.bbox.height + line / 2;
    for (const mark of [...placed].reverse()) { mark.at = Math.min(mark.at, below - line); below = mark.at; }
    context.save();
    context.font = `${12 * ratio}px system-ui, sans-serif`;
    context.textBaseline = "middle";
    context.textAlign = "left";
    for (const mark of placed) {
      context.fillStyle = mark.colour;
      context.fillRect(left, mark.at - 4 * ratio, 8 * ratio, 8 * ratio);
      context.fillStyle = css("--ink");
      context.fillText(short(context, mark.name, room - 13 * ratio), left + 13 * ratio, mark.at);
    }
    context.restore();
  };

  const draw = (figure) => {
    const plot = figure.querySelector(".plot");
    const table = read(figure);
    if (table.labels.length === 0 || table.names.length === 0) return null;
    const kind = figure.dataset.chart;
    const unit = format[figure.dataset.unit] || whole;
    const stack = kind === "stack";
    // The height of a chart in which there is nothing: a dollar, or a call.
    const nothing = unit === dollars ? NANOS : 1;
    const colour = (n) => {
      if (table.roles[n] === "limit") return css("--bad");
      if (table.roles[n] === "forecast") return css("--c1");
      if (table.roles[n] === "before") return css("--c8");
      return table.roles[n] === "rest" ? css("--c-rest") : css(`--c${(n % COLOURS) + 1}`);
    };
    const heights = stack ? stacked(table.columns) : table.columns;
    // The tallest first, so that each bar covers the lower part of the one before.
    const order = table.names.map((_, n) => n);
    if (stack) order.reverse();
    const bars = uPlot.paths.bars({ size: [0.72, 46], radius: 0.06 });
    const series = order.map((n) => (stack
      ? { label: table.names[n], fill: colour(n), width: 0, paths: bars, points: { show: false } }
      : {
        label: table.names[n], stroke: colour(n), width: 2, points: { show: false }, spanGaps: false,
        dash: table.roles[n] === "forecast" ? [5, 5] : undefined,
        fill: table.roles[n] ? undefined : css("--c1-soft"),
      }));
    const width = plot.clientWidth;
    const several = table.names.length > 1;
    const edge = several ? Math.min(150, Math.max(84, width * 0.2)) : 10;
    const readout = figure.querySelector(".readout");
    const tell = (index) => {
      if (index === null || index === undefined) { readout.textContent = ""; return; }
      const parts = table.names
        .map((name, n) => [name, table.shown[index][n], table.columns[n][index]])
        .filter(([, , value]) => value !== null && (value !== 0 || !stack));
      const said = several ? parts.map(([name, text]) => `${name} ${text}`).join(" · ") : parts.map(([, text]) => text).join("");
      readout.textContent = `${table.labels[index]}: ${said || "nothing"}`;
    };
    const axis = { stroke: css("--soft"), font: "12px system-ui, sans-serif", ticks: { show: false } };
    const marks = () => {
      const last = table.labels.length - 1;
      return table.names.map((name, n) => {
        const column = heights[n];
        let at = last;
        while (at > 0 && column[at] === null) at -= 1;
        const top = column[at] ?? 0;
        const under = stack && n > 0 ? heights[n - 1][at] : top;
        return { name, colour: colour(n), value: stack ? (top + (n > 0 ? under : 0)) / 2 : top };
      });
    };
    const chart = new uPlot({
      width,
      height: Number(figure.dataset.height) || 210,
      padding: [10, edge, 0, 0],
      legend: { show: false },
      cursor: { y: false, points: { show: !stack }, drag: { x: false, y: false } },
      scales: {
        x: { time: false, range: (_, min, max) => [min - 0.6, max + 0.6] },
        y: { range: (_, min, max) => [Math.min(0, min), max > 0 ? max * 1.08 : nothing] },
      },
      axes: [
        {
          ...axis, size: 30, grid: { show: false }, space: 56,
          incrs: [1, 2, 3, 4, 6, 8, 12, 24, 48, 96],
          values: (_, at) => at.map((n) => (Number.isInteger(n) ? table.labels[n] ?? "" : "")),
        },
        { ...axis, size: 58, space: 44, grid: { stroke: css("--line"), width: 1 }, values: (_, at) => at.map(unit) },
      ],
      series: [{}, ...series],
      hooks: {
        setCursor: [(u) => tell(u.cursor.idx)],
        draw: several ? [(u) => nameAtEdge(u, marks())] : [],
      },
    }, [table.labels.map((_, n) => n), ...order.map((n) => heights[n])], plot);
    plot.tabIndex = 0;
    plot.onkeydown = (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const from = chart.cursor.idx ?? (step > 0 ? -1 : table.labels.length);
      const to = Math.min(Math.max(from + step, 0), table.labels.length - 1);
      chart.setCursor({ left: chart.valToPos(to, "x"), top: 10 });
    };
    plot.onblur = () => tell(null);
    return chart;
  };

  const drawn = new Map();
  const redraw = (figure) => {
    drawn.get(figure)?.destroy();
    drawn.set(figure, draw(figure));
  };
  const wide = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const figure = target.closest("figure");
      const chart = drawn.get(figure);
      if (target.clientWidth && (!chart || chart.width !== target.clientWidth)) redraw(figure);
    }
  });
  const all = (within) => {
    for (const figure of [...drawn.keys()]) if (!figure.isConnected) { drawn.get(figure)?.destroy(); drawn.delete(figure); }
    for (const figure of within.querySelectorAll("figure.chart")) {
      if (!drawn.has(figure)) { drawn.set(figure, null); wide.observe(figure.querySelector(".plot")); }
    }
  };
  const again = () => { for (const figure of drawn.keys()) redraw(figure); };
  all(document);
  document.addEventListener("tollbook:region", (event) => all(event.target));
  document.addEventListener("tollbook:theme", again);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
})();
