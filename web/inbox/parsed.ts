let isDone = document.readyState === "complete";

/** The page's own modules have run: one of them may be the one that sets `getToken`. */
export const isParsed = (): boolean => isDone;

/** Resolves then. `load` is for a module that came after `DOMContentLoaded`. */
export const parsed = new Promise<void>((resolve) => {
  const done = () => {
    isDone = true;
    resolve();
  };
  if (isDone) resolve();
  for (const type of ["DOMContentLoaded", "load"]) addEventListener(type, done, { once: true });
});
