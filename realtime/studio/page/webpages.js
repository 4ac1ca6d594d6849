// Overlay pages of the settings, each in a frame of its own that can reach nothing of the studio; the label above them.

const pages = document.getElementById("pages");
const label = document.getElementById("label");
let known = "";

// The addresses that may be framed came with this page; for a new one it has to come again, and once is enough.
document.addEventListener("securitypolicyviolation", (event) => {
  if (event.effectiveDirective !== "frame-src" || sessionStorage.getItem("pages") === known) return;
  sessionStorage.setItem("pages", known);
  location.reload();
});

/** Show the pages of the settings overlay; those that are there already go on as they are. */
export function arrange(overlay) {
  if (!overlay || JSON.stringify(overlay) === known) return;
  known = JSON.stringify(overlay);
  const wanted = overlay.pages ?? [];
  while (pages.children.length > wanted.length) pages.lastElementChild.remove();
  wanted.forEach((page, number) => place(pages.children[number] ?? pages.appendChild(frame()), page, number));
  tell(overlay, wanted.length > 0);
}

function frame() {
  const made = document.createElement("iframe");
  made.title = "Overlay page";
  made.referrerPolicy = "no-referrer";
  return made;
}

function place(made, page, number) {
  // Others keep their own origin, which chats need to log in; ours would let them steer the studio.
  const foreign = page.path.includes("://") && origin(page.path) !== location.origin;
  const rights = foreign ? "allow-scripts allow-same-origin" : "allow-scripts";
  if (made.dataset.path !== page.path || made.getAttribute("sandbox") !== rights) {
    made.dataset.path = page.path;
    made.setAttribute("sandbox", rights);
    made.src = `/overlay/${number}`;
  }
  made.style.left = `${100 * page.x}%`;
  made.style.top = `${100 * page.y}%`;
  made.style.width = `${100 * page.width}%`;
  made.style.height = `${100 * page.height}%`;
}

function origin(address) {
  try {
    return new URL(address).origin;
  } catch {
    return location.origin;
  }
}

function tell(overlay, above) {
  const text = (overlay.label ?? "").trim();
  label.hidden = !above || ["", "none"].includes(text.toLowerCase());
  label.textContent = text;
  label.className = (overlay.corner ?? "bottom-left").replace("-", " ");
  label.style.setProperty("--size", String(overlay.size ?? 0.035));
}
