// The page around GraphiQL: a token that lives in this tab only, and a link per example operation.
(function () {
  "use strict";
  const KEY = "simcube.token";
  const element = (id) => document.getElementById(id);
  const storage = { // tabs and settings of the editor, for as long as the page is open
    values: new Map(),
    get length() { return this.values.size; },
    getItem(key) { return this.values.has(key) ? this.values.get(key) : null; },
    setItem(key, value) { this.values.set(key, String(value)); },
    removeItem(key) { this.values.delete(key); },
    clear() { this.values.clear(); },
  };
  let operations = [];
  let current = null;
  let mounts = 0;
  let token = sessionStorage.getItem(KEY) || "";
  const root = ReactDOM.createRoot(element("graphiql"));

  // #token=...&operation=... : the links that the server prints. The token does not stay in the address.
  function readAddress() {
    const given = new URLSearchParams(location.hash.slice(1));
    if (given.get("token")) {
      setToken(given.get("token"));
      given.delete("token");
      const rest = given.toString();
      history.replaceState(null, "", rest ? "#" + rest : location.pathname);
    }
    return given.get("operation");
  }

  function setToken(text) {
    token = text.trim();
    if (token) sessionStorage.setItem(KEY, token); else sessionStorage.removeItem(KEY);
  }

  // Shown for orientation; whether the token is good is for the server to say.
  function claims() {
    try {
      const part = token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/");
      return JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(part), (c) => c.charCodeAt(0))));
    } catch {
      return null;
    }
  }

  function showWho(problem) {
    const who = element("who");
    const said = claims();
    who.replaceChildren();
    who.className = "who";
    element("forget").hidden = !token;
    element("token").value = token;
    if (problem) {
      who.className = "who bad";
      who.textContent = problem;
    } else if (!token) {
      who.textContent = "No token yet: simcube token --tenant alpha --role tenant_admin";
    } else if (!said) {
      who.className = "who bad";
      who.textContent = "This does not look like a token";
    } else {
      const strong = (text) => Object.assign(document.createElement("b"), { textContent: text });
      const role = typeof said.role === "string" ? said.role.replace(/_/g, " ") : String(said.sub || "");
      who.append(strong(role));
      if (typeof said.tenant === "string") who.append(" in ", strong(said.tenant));
      if (typeof said.customer === "string") who.append(" for ", strong(said.customer));
      if (typeof said.exp === "number") {
        const left = said.exp - Date.now() / 1000;
        const shown = { hour: "2-digit", minute: "2-digit" };
        if (Math.abs(left) > 12 * 3600) Object.assign(shown, { day: "numeric", month: "short" });
        const at = new Date(said.exp * 1000).toLocaleString([], shown);
        who.append(left > 0 ? ", until " + at : ", expired at " + at);
        if (left <= 0) who.className = "who bad";
      }
    }
  }

  async function fetcher(request) {
    if (!token) {
      return { errors: [{ message: "Paste a token above. `simcube token --tenant alpha --role tenant_admin` prints one." }] };
    }
    const response = await fetch("/graphql", {
      method: "POST",
      headers: {
        "content-type": "application/json",
        accept: "application/graphql-response+json, application/json;q=0.9",
        authorization: "Bearer " + token,
      },
      body: JSON.stringify(request),
    });
    const text = await response.text();
    let answer;
    try {
      answer = JSON.parse(text);
    } catch {
      return { errors: [{ message: "The server answered " + response.status + " without JSON" }] };
    }
    showWho(response.status === 401 && answer.errors ? "Refused: " + answer.errors[0].message : "");
    return answer;
  }

  const title = (operation) => operation.text.split("\n", 1)[0].replace(/^#\s*/, "");

  function showOperations() {
    element("operations").replaceChildren(...operations.map((operation) => {
      const link = document.createElement("a");
      link.href = "#operation=" + encodeURIComponent(operation.name);
      link.textContent = title(operation);
      if (operation === current) link.setAttribute("aria-current", "true");
      const item = document.createElement("li");
      item.append(link);
      return item;
    }));
  }

  // What the chosen query answers, when it does so at once. Mutations wait for the button.
  async function preview() {
    if (!token || !current || /^\s*(mutation|subscription)\b/m.test(current.text)) return undefined;
    const late = new Promise((resolve) => setTimeout(resolve, 3000, undefined));
    const answer = await Promise.race([fetcher({ query: current.text }).catch(() => undefined), late]);
    return answer && JSON.stringify(answer, null, 2);
  }

  // A fresh mount opens the chosen operation and reads the schema again as the present caller sees it.
  async function mount() {
    mounts += 1;
    const turn = mounts;
    const response = await preview();
    if (turn !== mounts) return;
    storage.clear();
    root.render(React.createElement(GraphiQL, {
      key: mounts,
      fetcher,
      storage,
      query: current ? current.text : undefined,
      variables: "",
      response,
      isHeadersEditorEnabled: false,
      shouldPersistHeaders: false,
      defaultEditorToolsVisibility: false,
    }));
  }

  function choose(name) {
    const found = operations.find((operation) => operation.name === name);
    current = found || current || operations[0] || null;
    showOperations();
    mount();
    if (narrow.matches) element("examples").open = false;
  }

  const narrow = matchMedia("(max-width: 820px)");
  const fold = () => { element("examples").open = !narrow.matches; };
  narrow.addEventListener("change", fold);
  fold();
  element("examples").querySelector("summary").addEventListener("click", (event) => {
    if (!narrow.matches) event.preventDefault();
  });

  element("token-form").addEventListener("submit", (event) => {
    event.preventDefault();
    setToken(element("token").value);
    showWho();
    mount();
  });
  element("forget").addEventListener("click", () => {
    setToken("");
    showWho();
    mount();
  });
  addEventListener("hashchange", () => {
    const name = readAddress();
    showWho();
    choose(name);
  });

  (async () => {
    const name = readAddress();
    showWho();
    try {
      operations = await (await fetch("/playground/operations.json")).json();
    } catch {
      operations = [];
    }
    choose(name);
  })();
})();
