window.addEventListener("load", () => {
  Redoc.init(document.body.dataset.contract, {}, document.getElementById("docs"));
});
