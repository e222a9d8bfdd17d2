// What moves on the console's pages: charts of numbers that stand in tables beside them, and live rows.
// In: <script type="application/json" id="charts">, elements with data-live. Out: pictures, rows.
// Must never: put text of a record into a page as anything but text; ask anybody but this portal.
"use strict";

(() => {
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const palette = () => ({
    ink: colour("--ink"), quiet: colour("--soft"), line: colour("--line"),
    allowed: colour("--bar"), refused: colour("--bad"), empty: colour("--track"),
  });

  const base = (of, tones) => ({
    animation: false,
    aria: { enabled: true, label: { description: of.label } },
    textStyle: { color: tones.ink, fontFamily: "inherit" },
    // Text drawn by the chart: a tooltip of HTML would need styles that the page does not allow.
    tooltip: { renderMode: "richText", confine: true },
    grid: { left: 8, right: 16, top: 32, bottom: 8, containLabel: true },
  });

  const axis = (tones) => ({
    axisLabel: { color: tones.quiet, hideOverlap: true },
    axisLine: { lineStyle: { color: tones.line } },
    splitLine: { lineStyle: { color: tones.line, opacity: 0.4 } },
  });

  const bars = (of, tones, lying) => {
    const names = { type: "category", data: of.keys, inverse: lying, ...axis(tones) };
    const numbers = { type: "value", minInterval: 1, ...axis(tones) };
    const series = (name, data, tone) => ({
      name, data, type: "bar", stack: "all", itemStyle: { color: tone }, large: true,
    });
    return {
      ...base(of, tones),
      legend: { top: 0, textStyle: { color: tones.ink } },
      tooltip: { ...base(of, tones).tooltip, trigger: "axis", axisPointer: { type: "shadow" } },
      xAxis: lying ? numbers : names,
      yAxis: lying ? names : numbers,
      series: [
        series(of.names[0], of.allowed, tones.allowed),
        series(of.names[1], of.refused, tones.refused),
      ],
    };
  };

  const heat = (of, tones) => ({
    ...base(of, tones),
    xAxis: { type: "category", data: of.columns, ...axis(tones), splitArea: { show: false } },
    yAxis: { type: "category", data: of.lines, inverse: true, ...axis(tones) },
    visualMap: {
      min: 0, max: Math.max(1, of.most), show: false, inRange: { color: [tones.empty, tones.allowed] },
    },
    tooltip: {
      ...base(of, tones).tooltip,
      formatter: (at) => `${of.lines[at.value[1]]}, ${of.columns[at.value[0]]}: ${at.value[2]}`,
    },
    series: [{ type: "heatmap", data: of.cells, itemStyle: { borderWidth: 1, borderColor: tones.empty } }],
  });

  // One line for each key: a band between two numbers, a stroke in it, and somebody's own number.
  const beside = (of, tones) => {
    const base_ = base(of, tones);
    const place = (values) => values.map((value, at) => [value, at]);
    const number = (value) => (value === 0 ? of.least : String(value));
    return {
      ...base_,
      legend: { top: 0, data: [of.names.own, of.names.median, of.names.band], textStyle: { color: tones.ink } },
      tooltip: {
        ...base_.tooltip, trigger: "axis", axisPointer: { type: "shadow" },
        formatter: (all) => {
          const at = all[0].dataIndex;
          return [
            of.keys[at],
            `${of.names.own}: ${number(of.own[at])}`,
            `${of.names.median}: ${number(of.median[at])}`,
            `${of.names.band}: ${number(of.lower[at])} – ${number(of.upper[at])}`,
          ].join("\n");
        },
      },
      xAxis: { type: "value", name: of.unit, nameLocation: "middle", nameGap: 28, nameTextStyle: { color: tones.ink }, ...axis(tones) },
      yAxis: { type: "category", data: of.keys, inverse: true, ...axis(tones) },
      grid: { ...base_.grid, bottom: 32 },
      series: [
        { type: "bar", stack: "band", data: of.lower, itemStyle: { color: "transparent" }, barWidth: 16, silent: true },
        {
          type: "bar", stack: "band", name: of.names.band, barWidth: 16,
          data: of.upper.map((value, at) => value - of.lower[at]), itemStyle: { color: tones.line },
        },
        { type: "scatter", name: of.names.median, data: place(of.median), symbol: "rect", symbolSize: [4, 24], itemStyle: { color: tones.ink }, z: 3 },
        { type: "scatter", name: of.names.own, data: place(of.own), symbol: "diamond", symbolSize: 16, itemStyle: { color: tones.allowed }, z: 4 },
      ],
    };
  };

  const drawn = [];

  const draw = (of) => {
    const place = document.getElementById(of.id);
    if (!place || typeof echarts === "undefined") return;
    const tones = palette();
    const chart = echarts.getInstanceByDom(place) || echarts.init(place, null, { renderer: "canvas" });
    const option = { heat, beside }[of.kind] || ((all, ink) => bars(all, ink, of.kind === "lying"));
    chart.setOption(option(of, tones), true);
    chart.off("click");
    if (of.links) {
      chart.on("click", (at) => {
        const to = of.links[at.dataIndex];
        if (to && to.startsWith("/")) window.location.assign(to);
      });
    }
    drawn.push(chart);
  };

  const charts = () => {
    const told = document.getElementById("charts");
    if (!told) return;
    const all = JSON.parse(told.textContent);
    all.forEach(draw);
    window.addEventListener("resize", () => drawn.forEach((chart) => chart.resize()));
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => all.forEach(draw));
  };

  // Rows as they come, newest first; the server ends the stream when the authority ends.
  const live = (table) => {
    const most = 500;
    const body = table.tBodies[0];
    const state = document.getElementById(table.dataset.state);
    const say = (text) => { if (state) state.textContent = text; };
    const source = new EventSource(table.dataset.live);
    source.addEventListener("open", () => say("Connected: what happens is shown within two seconds."));
    source.addEventListener("row", (event) => {
      const cells = JSON.parse(event.data);
      const line = document.createElement("tr");
      cells.forEach((text) => { line.insertCell().textContent = text; });
      body.prepend(line);
      while (body.rows.length > most) body.deleteRow(-1);
    });
    source.addEventListener("left", (event) => {
      const left = document.getElementById(table.dataset.left);
      if (left) left.textContent = event.data;
    });
    source.addEventListener("end", (event) => { source.close(); say(event.data); });
    source.addEventListener("error", () => say("The connection was lost; the browser tries again."));
  };

  document.addEventListener("DOMContentLoaded", () => {
    charts();
    document.querySelectorAll("table[data-live]").forEach(live);
  });
})();
