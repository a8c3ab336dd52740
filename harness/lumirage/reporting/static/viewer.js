// Starts NiiVue on the volumes of its page, window.LUMIRAGE_PAGES[name],, when the reader asks for it.
(function () {
  "use strict";
  function bytes(base64) {
    const text = atob(base64), held = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i += 1) held[i] = text.charCodeAt(i);
    return held.buffer;
  }
  async function start(section, volumes) {
    const box = section.querySelector(".viewer"), choice = section.querySelector(".volume-choice");
    const opacity = section.querySelector(".volume-opacity");
    box.hidden = false;
    const viewer = new niivue.Niivue({
      backColor: [0, 0, 0, 1], crosshairColor: [0.35, 0.76, 0.84, 0.8], crosshairWidth: 0.4, show3Dcrosshair: true,
      multiplanarLayout: niivue.MULTIPLANAR_TYPE.GRID, multiplanarShowRender: niivue.SHOW_RENDER.ALWAYS, logLevel: "error",
    });
    await viewer.attachToCanvas(section.querySelector("canvas"));
    viewer.setSliceType(viewer.sliceTypeMultiplanar);
    async function show() {
      section.dataset.loaded = "";
      while (viewer.volumes.length) viewer.removeVolumeByIndex(0);
      const wanted = volumes[Number(choice.value)];
      for (const volume of wanted === volumes[0] ? [wanted] : [volumes[0], wanted]) {
        await viewer.loadFromArrayBuffer(bytes(volume.base64), volume.name.replace(/[^0-9A-Za-z]/g, "_") + ".nii.gz");
      }
      fade();
      section.dataset.loaded = wanted.name;
    }
    function fade() { if (viewer.volumes.length > 1) viewer.setOpacity(1, Number(opacity.value)); }
    choice.addEventListener("change", show);
    opacity.addEventListener("input", fade);
    window.LUMIRAGE_VIEWER = viewer;
    await show();
  }
  document.querySelectorAll("section.volumes").forEach((section) => {
    const page = section.closest("[data-pair-page]").dataset.pairPage;
    const held = document.querySelector('script[data-volumes="' + page + '"]');
    const volumes = held ? JSON.parse(held.textContent) : (window.LUMIRAGE_PAGES || {})[page];
    const button = section.querySelector(".volume-start"), choice = section.querySelector(".volume-choice");
    if (!volumes) return;
    volumes.forEach((volume, i) => choice.append(new Option(volume.name, i, false, i === Math.min(2, volumes.length - 1))));
    button.addEventListener("click", () => {
      button.disabled = true;
      start(section, volumes).catch((error) => { button.after(" The viewer could not start: " + error.message); });
    }, { once: true });
  });
})();
