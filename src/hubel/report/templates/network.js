"use strict";
(() => {
  /* The drawing of a network: buttons and the wheel (with Ctrl) zoom, dragging moves it. */
  for (const stage of document.querySelectorAll(".stage")) {
    const drawing = stage.querySelector("svg.network");
    const [, , width, height] = drawing.getAttribute("viewBox").split(" ").map(Number);
    const canvas = stage.querySelector(".canvas");
    const least = Math.min(1, canvas.clientWidth / width) / 8;
    let scale = 1;
    const zoom = (to, x = canvas.clientWidth / 2, y = canvas.clientHeight / 2) => {
      const next = Math.min(4, Math.max(least, to));
      const left = (canvas.scrollLeft + x) / scale, top = (canvas.scrollTop + y) / scale;
      scale = next;
      drawing.style.width = `${width * scale}px`;
      drawing.style.height = `${height * scale}px`;
      canvas.scrollTo(left * scale - x, top * scale - y);
    };
    const fit = () => zoom(Math.min(1, canvas.clientWidth / width));
    const acts = {
      in: () => zoom(scale * 1.25), out: () => zoom(scale / 1.25), fit,
      all: () => zoom(Math.min(1, canvas.clientWidth / width, canvas.clientHeight / height)),
    };
    for (const button of stage.querySelectorAll("button[data-zoom]")) {
      button.addEventListener("click", acts[button.dataset.zoom]);
    }
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const box = canvas.getBoundingClientRect();
      zoom(scale * Math.exp(-event.deltaY / 300), event.clientX - box.left, event.clientY - box.top);
    }, { passive: false });
    let grip = null;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.pointerType !== "mouse" || event.button !== 0) return;
      grip = { x: event.clientX + canvas.scrollLeft, y: event.clientY + canvas.scrollTop };
      canvas.classList.add("moving");
    });
    addEventListener("pointermove", (event) => {
      if (grip) canvas.scrollTo(grip.x - event.clientX, grip.y - event.clientY);
    });
    addEventListener("pointerup", () => { grip = null; canvas.classList.remove("moving"); });
    fit();
    canvas.style.height = `${canvas.offsetHeight}px`;  /* Stays when it is zoomed out. */

    /* What the middle unit of the layer under the pointer sees of the example picture. */
    const field = stage.querySelector(".example rect.field");
    const name = stage.querySelector(".example .seen");
    if (!field) continue;
    const show = (box) => {
      const [x, y, w, h] = box.dataset.region.split(" ").map(Number);
      for (const [key, value] of Object.entries({ x, y, width: w, height: h })) {
        field.setAttribute(key, value);
      }
      name.textContent = `${box.dataset.tip.split("\n")[0]}: ${w} × ${h} pixels`;
    };
    const boxes = [...stage.querySelectorAll(".box[data-region]")];
    for (const kind of ["pointerover", "pointerdown"]) {
      drawing.addEventListener(kind, (event) => {
        const box = event.target.closest(".box[data-region]");
        if (box) show(box);
      });
    }
    new MutationObserver((changes) => {
      for (const { target } of changes) {
        if (target.classList.contains("at") && target.dataset.region) show(target);
      }
    }).observe(drawing, { attributes: true, attributeFilter: ["class"], subtree: true });
    const start = boxes[Math.floor(boxes.length / 2)];
    if (start) show(start);
  }
})();
