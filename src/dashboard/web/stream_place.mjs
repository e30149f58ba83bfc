// A place for a stream. A browser has six connections to a server over HTTP/1.1, for all of its windows together, and a
// stream takes one for as long as it lives: a seventh window would wait for ever, and with it each request of the
// others. So a few windows at a time hold a stream, and the others ask every few seconds.

/** Half of what a browser has. */
const PLACES = 3;

const locks = /** @type {LockManager|undefined} */ (navigator.locks);

/** Whether windows know of each other's streams. */
export const isShared = locks !== undefined;

/**
 * Runs `use` while it has a place, which others then have not; false: none is free.
 * The browser's locks end with the window that has them, however that ends. It has them where sidehook is reached over
 * TLS or on this machine; elsewhere every window that is seen takes what it can get.
 * @param {() => Promise<void>} use
 */
export async function inPlace(use) {
  if (!locks) {
    await use();
    return true;
  }
  for (let n = 1; n <= PLACES; n += 1) {
    const hadOne = await locks.request(`sidehook.stream.${n}`, { ifAvailable: true }, async (lock) => {
      if (lock) await use();
      return lock !== null;
    });
    if (hadOne) return true;
  }
  return false;
}
