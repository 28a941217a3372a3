window.addEventListener("load", () => {
  SwaggerUIBundle({
    url: document.body.dataset.contract,
    dom_id: "#docs",
    deepLinking: true,
    presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset],
    layout: "StandaloneLayout",
  });
});
