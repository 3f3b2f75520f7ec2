// Forwards campaign parameters and browser identifiers to the forms and links that may lead to a conversion. It sends
// nothing and sets no cookie. <script src="/outbox.js" defer data-hosts="crm.example.com"></script>; see docs/browser.md
(() => {
  "use strict";
  const options = document.currentScript?.dataset ?? {};
  const chosen = options.select || 'a[data-fb-loc], form[data-fb-loc], form[method="post" i]';
  const hosts = (options.hosts || "").toLowerCase().split(/[\s,]+/).filter(Boolean);
  const stream = "_ga_" + (options.gaStream || "").replace("G-", "");
  const UTM = ["utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term"];
  const TOUCH = [...UTM, "fb_source", "fb_loc", "document_referrer"];
  const ids = new WeakMap(); // fb_event_id by form or link
  const taken = new Set();
  let seen = {}; // the first and the last touch; the last fbclid, and when it was first seen
  let submitter;

  const page = (name) => new URLSearchParams(location.search).get(name);

  function consent() {
    const state = window.outboxConsent ? window.outboxConsent() : options.consent;
    return Object(state) === state ? state : { ad_storage: state, ad_user_data: state, ad_personalization: state };
  }

  function stored(method, ...text) {
    try {
      return JSON.parse(sessionStorage[method]("outbox", ...text) ?? "{}");
    } catch {
      return {}; // the browser allows no storage
    }
  }

  // Kept in memory and, while ad_storage is granted, in this tab's sessionStorage.
  function visit() {
    const storage = consent().ad_storage;
    const kept = storage === "granted" ? stored("getItem") : {};
    seen = { ...kept, ...seen, first: kept.first || seen.first };
    const touch = TOUCH.map((name) => [name, page(name)]).filter(([, value]) => value);
    const fbclid = page("fbclid");
    const clicked = fbclid && fbclid !== seen.fbclid;
    const here = { document_referrer: document.referrer.split(/[?#]/)[0], ...Object.fromEntries(touch) };
    if (clicked) Object.assign(seen, { fbclid, at: Date.now() });
    if (clicked || touch.length) seen.last = here;
    const last = seen.last || here;
    seen.first = seen.first || last;
    if (storage === "granted") stored("setItem", JSON.stringify({ ...seen, last }));
    if (storage === "denied") stored("removeItem");
    return options.touch === "first" ? seen.first : last;
  }

  function browser() {
    const pairs = document.cookie.split("; ").map((pair) => pair.split(/=(.*)/s));
    const jar = Object.fromEntries(pairs.reverse()); // of several with one name the first counts
    const { fbclid, at } = seen;
    const sessions = Object.keys(jar).filter((name) => (options.gaStream ? name === stream : name.startsWith(stream)));
    const session = sessions.length === 1 && /^GS1\.[\d-]+\.(\d+)|[.$]s(\d+)/.exec(jar[sessions[0]]);
    const fbc = [page("fbc"), jar._fbc].find((one) => one && (!fbclid || one.split(".")[3] === fbclid));
    return {
      fbp: page("fbp") || jar._fbp,
      fbc: fbc || (fbclid && `fb.1.${at}.${fbclid}`),
      fbclid,
      handlID: page("handlID") || jar.handlID,
      ga_client_id: jar._ga?.replace(/^GA\d\.[\d-]+\./, "") || page("ga_client_id"),
      ga_session_id: session ? session[1] || session[2] : page("ga_session_id"),
    };
  }

  // A form uses the id of the call to action that led to its page; a second form there is a separate conversion.
  function eventId(element) {
    if (!ids.has(element)) {
      const shared = element.matches("form") && page("fb_event_id");
      ids.set(element, shared && !taken.has(shared) ? shared : crypto.randomUUID?.());
      taken.add(shared);
    }
    return ids.get(element);
  }

  // What may be forwarded to `url` and is not there already; utm parameters all or none.
  function missing(element, url, given) {
    const safe = url.protocol === location.protocol || url.protocol === "https:";
    const ours = url.hostname === location.hostname || hosts.some((host) => `.${url.hostname}`.endsWith(`.${host}`));
    if (!safe || !ours) return [];
    const touch = visit();
    const { ad_storage, ad_user_data, ad_personalization } = consent();
    const all = {
      fb_event_id: eventId(element),
      fb_source: options.fbSource || location.hostname,
      ...touch,
      ...(ad_storage !== "denied" && ad_user_data !== "denied" && browser()),
      ad_user_data,
      ad_personalization,
    };
    all.fb_loc = element.closest("[data-fb-loc]")?.dataset.fbLoc || all.fb_loc;
    const named = UTM.some(given);
    return Object.entries(all).filter(([name, value]) => value && !given(name) && !(named && UTM.includes(name)));
  }

  function click(event) {
    const link = event.target.closest?.("a[href]");
    if (!link?.host || !link.matches(chosen) || event.button > 1) return;
    if (event.detail < 2) ids.delete(link); // a double click counts as one
    const before = link.getAttribute("href");
    const url = new URL(link.href);
    const more = new URLSearchParams(missing(link, url, (name) => url.searchParams.has(name)));
    url.search += (url.search ? "&" : "?") + more;
    if (!`${more}`) return;
    link.href = url;
    setTimeout(() => link.setAttribute("href", before)); // so that a copied link carries no visitor data
  }

  // Changes only the submitted data, however the form is sent; nothing is written into the page.
  function fields({ target: form, formData }) {
    if (!form.matches(chosen)) return;
    const button = submitter?.form === form ? submitter : null;
    const action = button?.getAttribute("formaction") || form.getAttribute("action");
    const url = new URL(action || location.href, document.baseURI);
    const given = (name) =>
      formData.getAll(name).join("") ||
      (formData.has(name) && form.elements[name]?.type !== "hidden") ||
      (action && url.searchParams.get(name));
    for (const [name, value] of missing(form, url, given)) formData.set(name, value);
  }

  addEventListener("click", click, true);
  addEventListener("auxclick", click, true);
  addEventListener("formdata", fields);
  addEventListener("submit", (event) => {
    submitter = event.submitter;
    setTimeout(() => (submitter = null));
  }, true);
  addEventListener("reset", (event) => ids.delete(event.target), true);
  addEventListener("pagehide", visit);
  visit();
})();
