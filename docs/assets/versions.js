// The versions of this documentation that lie side by side. `../versions.js` lists them; it is a
// script and no JSON file because a page that was opened from a disk may not fetch one.
(() => {
  const config = JSON.parse(document.getElementById("__config").textContent);
  const root = new URL(`${config.base}/`, location.href);
  const script = document.createElement("script");
  script.src = new URL("../versions.js", root).href;
  script.onload = () => {
    const known = window.edgecnnVersions || [];
    const title = document.querySelector(".md-header__title");
    if (!known.length || !title) return;
    const here = root.pathname.split("/").filter(Boolean).pop();
    const select = document.createElement("select");
    select.className = "versions";
    select.setAttribute("aria-label", "Version of this documentation");
    for (const version of known) {
      const option = new Option(version, version, false, version === decodeURIComponent(here));
      select.add(option);
    }
    select.addEventListener("change", () => {
      location.href = new URL(`../${encodeURIComponent(select.value)}/index.html`, root).href;
    });
    title.after(select);
  };
  document.head.append(script);
})();

// The theme puts wide tables into boxes that scroll: the keyboard reaches them, too.
new MutationObserver(() => {
  for (const box of document.querySelectorAll(".md-typeset__scrollwrap:not([tabindex])")) {
    box.tabIndex = 0;
  }
}).observe(document.documentElement, { childList: true, subtree: true });
