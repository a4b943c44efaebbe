// A page names its kernel itself, so that a reload can come back to the debate it had.
(() => {
    const alive = {};
    const stored = "ecosystem-debate";
    const fresh = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
    // Written when a page is left and taken when one opens: another tab never finds it.
    const left = sessionStorage.getItem(stored);
    sessionStorage.removeItem(stored);
    const kernel = left !== null && Object.hasOwn(alive, left) ? left : fresh();
    const asked = new URLSearchParams({ kernelid: kernel });
    if (kernel === left) {
        asked.set("modelid", alive[left]);
    }
    history.replaceState(history.state, "", `/?${asked}`);
    addEventListener("DOMContentLoaded", () => {
        history.replaceState(history.state, "", "/");
        document.body.classList.remove("jupyter-widgets-popout-container");
    });
    addEventListener("pagehide", () => sessionStorage.setItem(stored, kernel));
    // Until a visitor chooses, the page is as light or dark as everything else on the screen.
    const theme = ":solara:theme.variant";
    if (localStorage.getItem(theme) === null) {
        localStorage.setItem(theme, JSON.stringify("auto"));
    }
})();
