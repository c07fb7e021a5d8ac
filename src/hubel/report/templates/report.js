"use strict";
(() => {
  const page = document.documentElement;

  /* The theme lives in radio buttons that the style sheet reads; the history entry carries it
     over a reload. No storage is used. */
  const themes = [...document.querySelectorAll(".theme input")];
  const kept = history.state && history.state.theme;
  const chosen = themes.find((input) => input.id === kept);
  if (chosen) chosen.checked = true;
  for (const input of themes) {
    input.addEventListener("change", () => {
      try { history.replaceState({ theme: input.id }, ""); } catch { /* a page without history */ }
    });
  }

  /* Tables: a head sorts by its column, rising first and falling on the second press. */
  for (const head of document.querySelectorAll("th[data-sortable]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.textContent = head.textContent.trim();
    head.replaceChildren(button);
    button.addEventListener("click", () => sort(head));
  }
  function sort(head) {
    const column = [...head.parentNode.children].indexOf(head);
    const falling = head.getAttribute("aria-sort") === "ascending";
    const body = head.closest("table").tBodies[0];
    const key = (row) => row.children[column].dataset.key;
    const numeric = [...body.rows].every((row) => !Number.isNaN(Number(key(row))));
    const value = (row) => key(row) === "" ? -Infinity : Number(key(row));
    const order = (a, b) => numeric
      ? (value(a) === value(b) ? 0 : value(a) - value(b))
      : key(a).localeCompare(key(b), undefined, { numeric: true });
    const rows = [...body.rows].sort((a, b) => falling ? order(b, a) : order(a, b));
    body.append(...rows);
    for (const other of head.parentNode.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", falling ? "descending" : "ascending");
  }

  /* Charts: what the pointer or the arrow keys are at is told in a tip. */
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.setAttribute("role", "status");
  tip.hidden = true;
  document.body.append(tip);
  const tell = (hit, x, y) => {
    tip.textContent = hit.dataset.tip;
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    const left = x + 14 + box.width > innerWidth ? x - box.width - 14 : x + 14;
    tip.style.left = `${Math.max(4, left)}px`;
    tip.style.top = `${Math.max(4, Math.min(y + 14, innerHeight - box.height - 4))}px`;
  };
  for (const chart of document.querySelectorAll("svg.chart")) {
    const hits = [...chart.querySelectorAll(".hit")];
    for (const hit of hits) {
      const title = hit.querySelector("title");
      hit.dataset.tip = title.textContent;
      title.remove();
    }
    if (!hits.length) continue;
    const leave = () => { tip.hidden = true; for (const hit of hits) hit.classList.remove("at"); };
    for (const kind of ["pointermove", "pointerdown"]) {
      chart.addEventListener(kind, (event) => {
        const hit = event.target.closest(".hit");
        if (hit) tell(hit, event.clientX, event.clientY); else tip.hidden = true;
      });
    }
    chart.addEventListener("pointerleave", leave);
    chart.addEventListener("blur", leave);
    chart.tabIndex = 0;
    let at = -1;
    chart.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (event.key === "Escape") leave();
      if (!step) return;
      event.preventDefault();
      at = at < 0 ? (step > 0 ? 0 : hits.length - 1) : (at + step + hits.length) % hits.length;
      for (const hit of hits) hit.classList.toggle("at", hit === hits[at]);
      const box = hits[at].getBoundingClientRect();
      tell(hits[at], box.left + box.width / 2, box.top);
    });
  }

  /* Commands: a button copies them. */
  for (const command of document.querySelectorAll(".command")) {
    if (!navigator.clipboard) break;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(command.querySelector("pre").textContent);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
    command.append(button);
  }

  /* Contents: the section that is being read. */
  const links = new Map([...document.querySelectorAll(".contents a")].map((a) => [a.hash.slice(1), a]));
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      for (const link of links.values()) link.removeAttribute("aria-current");
      links.get(entry.target.id)?.setAttribute("aria-current", "true");
    }
  }, { rootMargin: "-10% 0px -80% 0px" });
  for (const id of links.keys()) {
    const section = document.getElementById(id);
    if (section) seen.observe(section);
  }

  /* On paper the settings stand open; the numbers of the curves only where the reader opened them. */
  addEventListener("beforeprint", () => {
    for (const part of document.querySelectorAll("#settings details")) part.open = true;
  });
  page.classList.add("live");
})();
