import { BelfryPreferences } from "./element.ts";

// A page may have it twice: from a bundle and from the service.
if (!customElements.get("belfry-preferences")) customElements.define("belfry-preferences", BelfryPreferences);

export { BelfryPreferences };
