// Guides over the preview: safe areas (SMPTE RP 2046-1) and thirds; never in what leaves the machine.

import { draw } from "./element.js";
import { on, setting } from "./store.js";

const LINES = {
  none: [],
  action: [[3.5, 3.5, 93, 93]],
  title: [[3.5, 3.5, 93, 93], [5, 5, 90, 90]],
};

/** The layer with the lines of the setting overlay.guides. */
export function guideLines() {
  const layer = draw("svg", { class: "guides", viewBox: "0 0 100 100", preserveAspectRatio: "none", "aria-hidden": "true" });
  on(["settings"], () => {
    const kind = setting(["overlay", "guides"]) ?? "none";
    layer.replaceChildren();
    for (const [x, y, width, height] of LINES[kind] ?? []) layer.append(draw("rect", { x, y, width, height }));
    if (kind === "thirds") {
      for (const at of [100 / 3, 200 / 3]) layer.append(draw("path", { d: `M${at} 0V100M0 ${at}H100` }));
    }
  });
  return layer;
}
