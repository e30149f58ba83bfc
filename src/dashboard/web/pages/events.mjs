// What has happened, newest first and live: each event with its call and how its deliveries stand.

import { get } from "../api.mjs";
import { html, useCell, useEffect, useMemo } from "../lib.mjs";
import { connection, stale, useChanges } from "../live.mjs";
import { link, setQuery } from "../router.mjs";
import { Code, Deliveries, Method } from "../ui/badge.mjs";
import { List, useNarrow } from "../ui/list.mjs";
import { useLoad } from "../ui/load.mjs";
import { Time, count, counted } from "../ui/text.mjs";
import { Feed } from "./events_feed.mjs";
import { filterOf, isFiltered, mustAsk } from "./events_filter.mjs";
import { Filters } from "./events_filters.mjs";

/** @typedef {import("./events_feed.mjs").Row} Row */

/**
 * The list as it was left, for who comes back to it by the browser's "back": `mark` is its place in the history.
 * @type {{feed: Feed, mark: number, y: number, focused: string|null}|null}
 */
let left = null;
let nMarks = 0;

/** @param {{query: Record<string, string>}} props */
export function Events({ query }) {
  const filter = filterOf(query);
  const key = JSON.stringify(filter);
  const { feed, focused } = useFeed(filter, key);
  useCell(feed.version);
  useChanges((changes) => feed.take(changes));
  const isEmpty = feed.rows.length === 0;
  return html`
    <div class="heading"><h1>Events</h1><${Live} feed=${feed} /></div>
    <${Filters} filter=${filter} />
    ${isEmpty ? html`<${Nothing} feed=${feed} />` : html`<${Rows} key=${key} feed=${feed} focused=${focused} /><${Foot} feed=${feed} />`}`;
}

/** The events of a filter: those that were left here, or others. @param {import("./events_filter.mjs").Filter} filter @param {string} key */
function useFeed(filter, key) {
  const { feed, back, focused } = useMemo(() => {
    const back = left && history.state?.events === left.mark ? left : null;
    return { feed: back?.feed ?? new Feed(filter), back, focused: { current: back?.focused ?? null } };
  }, [key]);
  useEffect(() => {
    const mark = nMarks += 1;
    history.replaceState({ events: mark }, "");
    let y = 0;
    // Without its rows the page is short, and scrolled to its top by that alone.
    const onScroll = () => { if (document.querySelector(".list.events")) y = scrollY; };
    addEventListener("scroll", onScroll, { passive: true });
    // After the frame has gone to the top of what it takes for a new page.
    const timer = setTimeout(() => {
      if (!back) return;
      returnTo(back);
      // The list looks where it is when the next picture is drawn.
      requestAnimationFrame(() => requestAnimationFrame(() => {
        feed.isAside = false;
        feed.catchUp();
      }));
    }, 0);
    feed.isFollowing = connection.get() === "live";
    if (!back) feed.more();
    const ends = [connection.watch((now) => { if (now === "live") feed.catchUp(); else feed.lose(); }), stale.watch(() => { feed.catchUp(); })];
    return () => {
      clearTimeout(timer);
      for (const end of ends) end();
      removeEventListener("scroll", onScroll);
      feed.isAside = true;
      left = { feed, mark, y, focused: focused.current };
      feed.lose();
      feed.close();
    };
  }, [key]);
  return { feed, focused };
}

/** @param {{y: number, focused: string|null}} place */
function returnTo({ y, focused }) {
  scrollTo({ top: y, behavior: "instant" });
  const row = /** @type {HTMLElement|null} */ (document.querySelector(".list-body a[tabindex='0']"));
  if (focused) row?.focus({ preventScroll: true });
}

/** Whether new events come in by themselves. @param {{feed: Feed}} props */
function Live({ feed }) {
  const isLive = useCell(connection) === "live";
  const isOver = Boolean(feed.filter.until) && Date.parse(feed.filter.until) < Date.now();
  const words = feed.isPaused ? `Paused, ${count(feed.nNew)} new`
    : feed.nNew > 0 ? `${count(feed.nNew)} new above`
    : !isLive ? "New events do not come in now"
    : isOver ? "The time chosen is over: nothing new comes in"
    : mustAsk(feed.filter) ? "New events come in every 5 seconds here"
    : "New events come in at the top";
  return html`<div class="actions events-live">
    <span class="quiet" role=${feed.nNew > 0 ? undefined : "status"}>${words}</span>
    <button type="button" onClick=${() => feed.pause(!feed.isPaused)}>${feed.isPaused ? "▶ Resume" : "‖ Pause"}</button>
  </div>`;
}

/** @type {import("../ui/list.mjs").Column<Row>[]} */
const COLUMNS = [
  { key: "time", title: "Time", cell: (row) => html`<${Time} at=${row.created_at} />` },
  { key: "label", title: "Event", cell: (row) => html`<span title=${row.label}>${row.label}</span>${row.tag ? html` <span class="badge">${row.tag}</span>` : null}` },
  { key: "call", title: "Call", isLink: true, cell: (row) => html`<span title=${row.url}><${Method} of=${row.method} /> <code>${row.url}</code></span>` },
  { key: "code", title: "Response", cell: (row) => html`<${Code} of=${row.status} />` },
  { key: "subject", title: "Subject", cell: (row) => (row.subject ? html`<span title=${row.subject}>${row.subject}</span>` : html`<span class="quiet">–</span>`) },
  { key: "deliveries", title: "Deliveries", cell: (row) => html`<${Deliveries} of=${row.deliveries} />` },
];

/** @param {{feed: Feed, focused: {current: string|null}}} props */
function Rows({ feed, focused }) {
  const isNarrow = useNarrow();
  const { rows } = feed;
  const isOld = new Date(rows[rows.length - 1].created_at).toDateString() !== new Date().toDateString();
  const letIn = () => {
    scrollTo({ top: 0, behavior: "instant" });
    feed.letIn();
  };
  return html`<${List} rows=${rows} columns=${COLUMNS} keyOf=${(/** @type {Row} */ row) => row.id} rowHeight=${isNarrow ? 92 : 42}
    label="Events, newest first" kind=${isOld ? "events old" : "events"}
    hrefOf=${(/** @type {Row} */ row) => link("events", row.id)}
    nameOf=${(/** @type {Row} */ row) => `${row.method} ${row.url}, ${row.label}, ${new Date(row.created_at).toLocaleTimeString()}`}
    classOf=${(/** @type {Row} */ row) => (row.arrived && Date.now() - row.arrived < 1_500 ? "fresh" : "")}
    isComplete=${feed.next === null} onEndNear=${() => { feed.more(); }} onSeen=${(/** @type {any} */ seen) => feed.see(seen)}
    nNew=${feed.nNew} onNew=${letIn}
    focused=${focused.current} onFocused=${(/** @type {string|null} */ key) => { focused.current = key; }} />`;
}

/** What is below the last row. @param {{feed: Feed}} props */
function Foot({ feed }) {
  const { rows, filter, lookedBackTo } = feed;
  const oldest = rows[rows.length - 1];
  const older = () => setQuery({ ...filter, since: /^\d+[mhd]$/.test(filter.since) ? feed.params.since : filter.since,
    until: new Date(Date.parse(oldest.created_at) + 1).toISOString() });
  let words;
  if (feed.problem) words = html`<p role="alert"><span class="bad-text">Could not load more.</span> ${feed.problem.message}</p>
    <button type="button" onClick=${() => feed.more(true)}>Try again</button>`;
  else if (feed.isFull) words = html`<p>This page keeps ${count(rows.length)} events at most.
      ${feed.nLetGo > 0 ? ` ${counted(feed.nLetGo, "older one")} ${feed.nLetGo === 1 ? "was" : "were"} let go as new ones came in.` : ""}</p>
    <button type="button" onClick=${older}>Show older ones</button>`;
  else if (feed.isStuck) words = html`<p>${counted(rows.length, "event")} found so far; looked back to <${Time} at=${lookedBackTo} />.</p>
    <button type="button" onClick=${() => feed.more(true)}>Look further back</button>`;
  else if (feed.isLoading) words = html`<p>Looking back ${lookedBackTo ? html`to <${Time} at=${lookedBackTo} />` : ""} ...</p>`;
  else if (feed.next === null) words = html`<p>${counted(rows.length, "event")}: that is all${isFiltered(filter) ? " that fits these filters" : ""}.</p>`;
  return html`<div class="list-foot" role="status">${words}</div>`;
}

/** Instead of rows. @param {{feed: Feed}} props */
function Nothing({ feed }) {
  const { filter, lookedBackTo } = feed;
  if (feed.problem) {
    return html`<div class="notice bad" role="alert"><p><strong>Could not load the events.</strong> ${feed.problem.message}</p>
      <button type="button" onClick=${() => feed.more(true)}>Try again</button></div>`;
  }
  if (feed.isStuck) {
    return html`<div class="card empty" role="status"><h2>Nothing found so far</h2>
      <p>Looked back to <${Time} at=${lookedBackTo} />.</p>
      <p><button type="button" class="primary" onClick=${() => feed.more(true)}>Look further back</button>
        <button type="button" onClick=${() => setQuery({})}>Clear filters</button></p></div>`;
  }
  if (feed.isLoading || feed.next !== null) {
    return html`<p class="quiet" role="status">Loading events ${lookedBackTo ? html`(looked back to <${Time} at=${lookedBackTo} />)` : ""} ...</p>`;
  }
  if (feed.nNew > 0) {
    return html`<div class="card empty"><h2>${counted(feed.nNew, "new event")}</h2>
      <p><button type="button" class="primary" onClick=${() => feed.pause(false)}>Show</button></p></div>`;
  }
  if (isFiltered(filter)) {
    return html`<div class="card empty" role="status"><h2>No event fits these filters</h2>
      <p>An event stands here as soon as one does. To see the others:</p>
      <p><button type="button" class="primary" onClick=${() => setQuery({})}>Clear filters</button></p></div>`;
  }
  return html`<${NoneYet} />`;
}

/** Nothing has happened at all. */
function NoneYet() {
  const rules = useLoad((signal) => get("v1/rules", { limit: 10 }, { signal }), []);
  const shown = rules.data?.data ?? [];
  if (rules.data && shown.length === 0) {
    return html`<div class="card empty" role="status"><h2>No events, and no rule that could make one</h2>
      <p>Add an <code>[[event]]</code> with a label, a method and a URL to the configuration file.
      It is read again as soon as it is saved.</p></div>`;
  }
  return html`<div class="card empty" role="status"><h2>No events yet</h2>
    <p>An event stands here as soon as a call through the proxy is answered and fits one of these rules:</p>
    <ul>${shown.map((/** @type {any} */ rule) => html`<li key=${rule.id}><strong>${rule.label}</strong>
      <code>${[rule.method].flat().join(", ")} ${rule.url}</code></li>`)}
      ${rules.data?.next ? html`<li class="quiet">and more</li>` : null}</ul>
    <p>Calls are made and nothing comes? Send them to sidehook's proxy address, not to the upstream, and ask
      <a href=${link("rules", "test")}>the tester</a> which rules such a call fits.</p></div>`;
}
