import "../preferences/index.ts";
import { BelfryInbox } from "./element.ts";

// A page may have it twice: from a bundle and from the service.
if (!customElements.get("belfry-inbox")) customElements.define("belfry-inbox", BelfryInbox);

export { BelfryInbox };
