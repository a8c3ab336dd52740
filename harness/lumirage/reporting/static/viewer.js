// Starts NiiVue on the volumes of its page, window.LUMIRAGE_PAGES[name], when the reader asks for it; landmarks are nodes, their errors edges.
(function () {
  "use strict";
  const NEAR_MM = 5; // landmarks further from a slice are not drawn in it
  function bytes(base64) {
    const text = atob(base64), held = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i += 1) held[i] = text.charCodeAt(i);
    return held.buffer;
  }
  function nodes(points) { // fixed landmarks in one colour, moved ones in another, an edge for the error between them
    const node = (name, at, moved) => ({ name, x: at[0], y: at[1], z: at[2], colorValue: moved ? 1 : 0, sizeValue: 1 });
    return {
      name: "landmarks", nodeColormap: "lumirage", edgeColormap: "gray", nodeMinColor: 0, nodeMaxColor: 1, nodeScale: 2.2, edgeMin: 0, edgeMax: 1, edgeScale: 0.8,
      showLegend: false,
      nodes: points.flatMap((p) => [node("", p.slice(1, 4), false), node("", p.slice(4, 7), true)]),
      edges: points.map((p, k) => ({ first: 2 * k, second: 2 * k + 1, colorValue: 1 })),
    };
  }
  async function start(section, volumes) {
    const box = section.querySelector(".viewer"), choice = section.querySelector(".volume-choice");
    const opacity = section.querySelector(".volume-opacity");
    box.hidden = false;
    const viewer = new niivue.Niivue({
      backColor: [0, 0, 0, 1], crosshairColor: [0.35, 0.76, 0.84, 0.8], crosshairWidth: 0.4, show3Dcrosshair: true,
      multiplanarLayout: niivue.MULTIPLANAR_TYPE.GRID, multiplanarShowRender: niivue.SHOW_RENDER.ALWAYS, logLevel: "error", meshXRay: 0.5,
    });
    viewer.addColormap("lumirage", { R: [89, 255], G: [195, 181], B: [214, 71], A: [255, 255], I: [0, 255] });
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
      viewer.meshes.slice().forEach((mesh) => viewer.removeMesh(mesh));
      const points = wanted.landmarks || [];
      if (points.length) viewer.addMesh(viewer.loadConnectomeAsMesh(nodes(points)));
      if (points.length) viewer.setMeshThicknessOn2D(NEAR_MM);
      viewer.drawScene();
      section.dataset.loaded = wanted.name;
    }
    function fade() { if (viewer.volumes.length > 1) viewer.setOpacity(1, Number(opacity.value)); }
    choice.addEventListener("change", show);
    opacity.addEventListener("input", fade);
    window.LUMIRAGE_VIEWER = viewer;
    await show();
    section.closest("main").querySelectorAll("tr[data-landmark]").forEach((row) => {
      const go = () => {
        const at = volumes[0].landmarks.find((point) => point[0] === row.dataset.landmark);
        if (!at) return;
        viewer.scene.crosshairPos = viewer.mm2frac(at.slice(1, 4));
        viewer.createOnLocationChange();
        viewer.drawScene();
        section.scrollIntoView();
      };
      row.addEventListener("click", go);
      row.addEventListener("keydown", (event) => { if (event.key === "Enter") go(); });
    });
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
