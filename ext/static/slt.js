// A page opened from a folder may not fetch its neighbours: search then lists titles without excerpts.
if (location.protocol === "file:" && typeof DOCUMENTATION_OPTIONS !== "undefined") {
  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
}

// The slider of a Plotly figure by keyboard: the figure takes the focus, the arrow keys move its first slider.
function sliderByKeyboard(figure) {
  const slider = () => figure.layout.sliders[0];
  const tell = () => {
    const { active = 0, steps, currentvalue } = slider();
    figure.setAttribute("aria-valuemax", steps.length - 1);
    figure.setAttribute("aria-valuenow", active);
    figure.setAttribute("aria-valuetext", ((currentvalue || {}).prefix || "") + steps[active].label);
  };
  const move = (to) => {
    const steps = slider().steps;
    const active = Math.min(steps.length - 1, Math.max(0, to));
    const { method, args } = steps[active];
    Plotly.relayout(figure, { "sliders[0].active": active }).then(() => Plotly[method](figure, ...args));
    tell();
  };
  figure.tabIndex = 0;
  figure.setAttribute("role", "slider");
  figure.setAttribute("aria-valuemin", 0);
  if (!figure.hasAttribute("aria-label")) {
    const title = (figure.layout.title || {}).text;
    figure.setAttribute("aria-label", (title ? title + ": " : "") + "figure with a slider, move it with the arrow keys");
  }
  tell();
  figure.on("plotly_sliderchange", tell);
  figure.addEventListener("keydown", (event) => {
    const active = slider().active || 0;
    const to = {
      ArrowRight: active + 1,
      ArrowUp: active + 1,
      ArrowLeft: active - 1,
      ArrowDown: active - 1,
      Home: 0,
      End: slider().steps.length - 1,
    }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      move(to);
    }
  });
}

window.addEventListener("load", () => {
  for (const figure of document.querySelectorAll(".js-plotly-plot")) {
    if (figure.layout && (figure.layout.sliders || []).length) sliderByKeyboard(figure);
  }
});
