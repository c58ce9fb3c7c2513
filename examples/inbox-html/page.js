const inbox = /** @type {import("belfry/inbox").BelfryInbox} */ (document.querySelector("belfry-inbox"));

inbox.addEventListener("belfry-count", ({ detail }) => {
  const unread = /** @type {HTMLElement} */ (document.getElementById("unread"));
  unread.textContent = String(detail.unread);
});
