// Which webhook needs somebody first: one order, for every page that shows it.

import { totals } from "./webhook_health.mjs";

/** @typedef {{webhook: {name: string}, queue: any, rank: number}} Ranked */

/**
 * How much it needs somebody. In few steps, so that rows do not jump. `queue` is its row of `/v1/status`, `sums` its attempts of
 * the last hour; either may not be known yet.
 * @param {string} status @param {any} queue @param {ReturnType<typeof totals>} sums
 */
export function rankOf(status, queue, sums) {
  if (status === "paused") return 5;
  if (status === "disabled") return queue?.held ? 4 : -1;
  if (sums.rate !== null && sums.rate < 0.5) return 3;
  if (queue?.oldest_seconds > 60) return 2;
  return sums.failed > 0 ? 1 : 0;
}

/** For a sort: the worst first, of those the one whose deliveries wait longest. @param {Ranked} a @param {Ranked} b */
export const worse = (a, b) => b.rank - a.rank || age(b) - age(a) || a.webhook.name.localeCompare(b.webhook.name);

/** All grow alike: rows do not change places for it. Of those that are well it says nothing. @param {Ranked} of */
const age = ({ rank, queue }) => (rank > 0 ? queue?.oldest_seconds ?? 0 : 0);

/** Rows of `/v1/status`, worst first. @param {any[]} queues @param {Map<string, any>|undefined} courses of the last hour */
export function worstFirst(queues, courses) {
  const ranked = queues.map((queue) => ({ webhook: queue, queue, rank: rankOf(queue.status, queue, totals(courses?.get(queue.id))) }));
  return ranked.sort(worse).map(({ queue }) => queue);
}
