// Shows the OpenAPI document that the server has at /api/v1/openapi.json, and calls what it describes. Texts
// of the document and of answers become text nodes and never HTML; nothing is asked of another server.
"use strict";

const DOCUMENT = "/api/v1/openapi.json";
const METHODS = ["get", "head", "post", "put", "patch", "delete", "options"];
const TOKEN = "pouco-token";
const byId = (id) => document.getElementById(id);
let root = {};
let numbered = 0;

// make("p", {class: "hint"}, "text", child): an element. Properties that are functions listen; children that
// are missing are left out.
function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(key, value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.filter(Boolean));
  return element;
}

// Text with the `code` of CommonMark, of which no more is understood.
function prose(text = "") {
  return text.split("`").map((part, index) => (index % 2 === 1 ? make("code", {}, part) : part));
}

// What a reference points to.
function resolve(value) {
  for (let steps = 0; value && value.$ref && steps < 16; steps++) {
    value = value.$ref.replace(/^#\//, "").split("/").reduce((at, key) => at && at[key], root);
  }
  return value || {};
}

// --- Schemas
// --------------------------------------------------------------------------------------------------------

function typeOf(schema) {
  const whole = resolve(schema);
  if (schema && schema.$ref && whole.type === "object") return schema.$ref.split("/").pop();
  const several = whole.oneOf || whole.anyOf || whole.allOf;
  if (several) return several.map(typeOf).join(whole.allOf ? " and " : " or ");
  const named = (type) => (type === "array" ? "array of " + typeOf(whole.items) : type);
  const types = [whole.type || "any"].flat().map(named);
  return types.join(" or ") + (whole.format ? " (" + whole.format + ")" : "");
}

const LIMITS = {
  minimum: "at least", maximum: "at most", exclusiveMinimum: "more than", exclusiveMaximum: "less than",
  default: "default",
  minLength: "characters at least", maxLength: "characters at most", minItems: "elements at least",
  maxItems: "elements at most", pattern: "pattern",
};

function limitsOf(schema) {
  const whole = resolve(schema);
  const limits = Object.keys(LIMITS).filter((key) => whole[key] !== undefined);
  const said = limits.map((key) => LIMITS[key] + " " + whole[key]);
  if (whole.enum) said.push("one of " + whole.enum.map((one) => JSON.stringify(one)).join(", "));
  return said.join(", ");
}

// A list of the members, and of theirs; a schema within itself ends the descent.
function members(schema, above = []) {
  let whole = resolve(schema);
  if ([whole.type].flat().includes("array") && whole.items) whole = resolve(whole.items);
  if (!whole.properties || above.includes(whole)) return undefined;
  const list = make("dl");
  for (const [name, member] of Object.entries(whole.properties)) {
    const needed = (whole.required || []).includes(name) ? "required" : "optional";
    const facts = [typeOf(member), needed, limitsOf(member)].filter(Boolean).join(", ");
    const about = member.description || resolve(member).description;
    const inner = members(member, [...above, whole]);
    list.append(make("dt", {}, make("code", {}, name), " ", make("span", { class: "hint" }, facts)));
    if (about || inner) list.append(make("dd", {}, ...prose(about), inner));
  }
  return list;
}

const FORMATS = { date: "2000-01-31", "date-time": "2000-01-31T12:00:00Z", email: "ana@example.com" };

// Something to begin with where the document has no example.
function exampleOf(schema, above = []) {
  const whole = resolve(schema);
  const first = (list) => (list || [])[0];
  for (const known of [whole.example, first(whole.examples), whole.const, whole.default, first(whole.enum)]) {
    if (known !== undefined) return known;
  }
  if (above.includes(whole)) return null;
  const inner = [...above, whole];
  const several = whole.oneOf || whole.anyOf || whole.allOf;
  if (several) return exampleOf(several.find((one) => resolve(one).type !== "null"), inner);
  switch ([whole.type].flat().find((type) => type !== "null")) {
    case "object":
      return Object.fromEntries(
        Object.entries(whole.properties || {}).map(([name, one]) => [name, exampleOf(one, inner)]),
      );
    case "array": return whole.items ? [exampleOf(whole.items, inner)] : [];
    case "integer": case "number": return whole.minimum ?? 1;
    case "boolean": return true;
    case "string": return FORMATS[whole.format] || "text";
    default: return null;
  }
}

function exampleText(contentType, media) {
  const example = media.example ?? exampleOf(media.schema);
  if (example === null) return "";
  if (contentType === "application/x-www-form-urlencoded") return String(new URLSearchParams(example));
  if (typeof example === "string" && !contentType.includes("json")) return example;
  return JSON.stringify(example, null, 2);
}

// --- One operation
// --------------------------------------------------------------------------------------------------

function field(label, hint, input) {
  const id = "field-" + ++numbered;
  input.id = id;
  const said = make("p", { class: "hint", id: id + "-hint" }, ...prose(hint));
  input.setAttribute("aria-describedby", said.id);
  return [make("label", { for: id }, label), said, input];
}

function parameterField(parameter) {
  const schema = resolve(parameter.schema);
  const value = parameter.example ?? (parameter.required ? schema.example ?? schema.default ?? "" : "");
  const form = [typeOf(parameter.schema), limitsOf(parameter.schema)];
  const facts = ["in the " + parameter.in, ...form, parameter.description];
  const { name, required } = parameter;
  const input = make("input", { name, "data-in": parameter.in, value, required, autocomplete: "off" });
  return field(name + (required ? " (required)" : ""), facts.filter(Boolean).join("; "), input);
}

function bodyFields(body) {
  const types = Object.entries(body.content || {});
  if (types.length === 0) return { fields: [], value: () => undefined };
  const text = make("textarea", { name: "body", spellcheck: "false" });
  const choice = make("select", { name: "content-type" }, ...types.map(([type]) => make("option", {}, type)));
  const schemas = make("div");
  const show = () => {
    const media = body.content[choice.value];
    text.value = exampleText(choice.value, media);
    schemas.replaceChildren(members(media.schema) || "");
  };
  choice.addEventListener("change", show);
  show();
  const fields = [
    ...field("Content type", "of the body", choice),
    ...field("Body" + (body.required ? " (required)" : ""), body.description, text),
    schemas,
  ];
  const isSent = () => text.value !== "" || body.required;
  const value = () => ({ type: choice.value, text: text.value, media: body.content[choice.value] });
  return { fields, value: () => (isSent() ? value() : undefined) };
}

// What the form says, as a request.
function requestOf(form, method, template, body, secured) {
  const headers = new Headers();
  const query = new URLSearchParams();
  let path = template;
  for (const input of form.querySelectorAll("[data-in]")) {
    const place = "{" + input.name + "}";
    if (input.dataset.in === "path") path = path.replace(place, () => encodeURIComponent(input.value));
    else if (input.value === "") continue;
    else if (input.dataset.in === "query") query.append(input.name, input.value);
    else if (input.dataset.in === "header") headers.set(input.name, input.value);
  }
  const token = sessionStorage.getItem(TOKEN);
  if (secured && token) headers.set("Authorization", "Bearer " + token);
  const options = { method: method.toUpperCase(), headers, cache: "no-store", credentials: "omit" };
  const content = body.value();
  if (content && content.type === "multipart/form-data") {
    // The text as a file. The browser chooses what stands between the parts, and says so in the head.
    const [name] = Object.keys(resolve(content.media.schema).properties);
    options.body = new FormData();
    options.body.append(name, new File([content.text], "example.txt", { type: "text/plain" }));
  } else if (content) {
    headers.set("Content-Type", content.type);
    options.body = content.text;
  }
  return [path + (query.size > 0 ? "?" + query : ""), options];
}

function pretty(text, type) {
  if (!(type || "").includes("json")) return text;
  try {
    // Numbers keep their digits where they would change: then the text stays as it came.
    const value = JSON.parse(text);
    return JSON.stringify(value) === text.trim() ? JSON.stringify(value, null, 2) : text;
  } catch {
    return text;
  }
}

async function call(url, options, output) {
  const line = make("p", {}, options.method + " " + url);
  output.replaceChildren(line, make("p", {}, "Waiting for the answer."));
  try {
    const begun = performance.now();
    const answer = await fetch(url, options);
    const text = await answer.text();
    const took = (performance.now() - begun).toFixed(0);
    const told = answer.status + " " + answer.statusText;
    const status = make("p", { class: "status " + (answer.ok ? "good" : "bad") }, told);
    const fields = [...answer.headers].map(([name, value]) => name + ": " + value).join("\n");
    const body = pretty(text, answer.headers.get("content-type")) || "(none)";
    output.replaceChildren(line, status, make("p", { class: "hint" }, "after " + took + " ms"),
      make("h4", {}, "Header fields"), make("pre", { class: "fields", tabindex: "0" }, fields),
      make("h4", {}, "Body"), make("pre", { class: "body", tabindex: "0" }, body));
    output.dataset.status = answer.status;
    if (answer.ok) keepTokenOf(text);
  } catch (error) {
    output.replaceChildren(line, make("p", { class: "status bad" }, "There is no answer: " + error.message));
    output.dataset.status = "none";
  }
}

function answersOf(responses) {
  const list = make("dl");
  for (const [status, described] of Object.entries(responses || {})) {
    const response = resolve(described);
    const content = Object.entries(response.content || {});
    const types = content.map(([type, media]) => type + ": " + typeOf(media.schema));
    const about = (one) => resolve(one).description || "";
    const fields = Object.entries(response.headers || {}).map(([name, one]) => name + ": " + about(one));
    const notes = [...types, ...fields].map((note) => make("p", { class: "hint" }, ...prose(note)));
    // All refusals have one form, which is told above.
    const told = status.startsWith("2") ? content : [];
    const shown = told.map(([, media]) => members(media.schema)).find(Boolean);
    const inside = shown && make("div", { class: "inside" }, shown);
    const deeper = inside && make("details", {}, make("summary", {}, "Its members"), inside);
    list.append(make("dt", {}, status), make("dd", {}, ...prose(response.description), ...notes, deeper));
  }
  return list;
}

function operation(path, method, place, described) {
  const secured = (described.security || root.security || []).length > 0;
  const parameters = [...(place.parameters || []), ...(described.parameters || [])].map(resolve);
  const body = bodyFields(resolve(described.requestBody));
  const output = make("div", { class: "answer", role: "status", "aria-live": "polite" });
  const form = make("form", { submit: (event) => {
    event.preventDefault();
    call(...requestOf(form, method, path, body, secured), output);
  } }, make("h4", {}, "Try it"), ...parameters.flatMap(parameterField), ...body.fields,
    make("button", {}, "Send"));
  const about = described.description && make("p", {}, ...prose(described.description));
  const inside = make("div", { class: "inside" }, about,
    secured && make("p", { class: "hint" }, "Needs a token: log in, or put one in above."), form, output,
    make("h4", {}, "Answers"), answersOf(described.responses));
  return make("details", { id: described.operationId, "data-method": method, "data-path": path },
    make("summary", {}, make("span", { class: "method " + method }, method.toUpperCase()), " ",
      make("span", { class: "path" }, path),
      make("span", { class: "says" }, described.summary || "")), inside);
}

// --- The token
// ------------------------------------------------------------------------------------------------------

// It lives as long as the tab, and is sent to what needs it alone.
function keep(token, how) {
  if (token) sessionStorage.setItem(TOKEN, token);
  else sessionStorage.removeItem(TOKEN);
  byId("token").value = token || "";
  const kept = "A token is kept until this tab is closed" + how + ".";
  byId("login-state").textContent = token ? kept : "There is no token.";
}

// A login is an operation like any other: its answer has the token.
function keepTokenOf(text) {
  try {
    const { access_token: token } = JSON.parse(text) || {};
    if (typeof token === "string" && !byId("login").hidden) keep(token, ", from the last answer");
  } catch {
    // Not JSON, so no login.
  }
}

function login() {
  byId("login").hidden = !(root.components && root.components.securitySchemes);
  byId("login").addEventListener("submit", (event) => {
    event.preventDefault();
    keep(byId("token").value.trim(), "");
  });
  byId("forget").addEventListener("click", () => keep("", ""));
  keep(sessionStorage.getItem(TOKEN), "");
}

// --- The page
// -------------------------------------------------------------------------------------------------------

function show(text) {
  root = JSON.parse(text);
  byId("title").textContent = root.info.title + " " + root.info.version;
  byId("about").replaceChildren(...prose(root.info.description));
  login();
  const sections = new Map();
  for (const tag of root.tags || []) {
    const heading = make("h2", { id: "api-" + tag.name }, tag.name);
    const about = make("p", {}, ...prose(tag.description));
    sections.set(tag.name, make("section", { "aria-labelledby": heading.id }, heading, about));
    byId("apis").append(make("a", { href: "#api-" + tag.name }, tag.name));
  }
  for (const [path, place] of Object.entries(root.paths)) {
    for (const method of METHODS.filter((one) => place[one])) {
      const section = sections.get((place[method].tags || [])[0]) || byId("operations");
      section.append(operation(path, method, place, place[method]));
    }
  }
  byId("loading").remove();
  byId("operations").prepend(...sections.values());
  const wanted = byId(decodeURIComponent(location.hash.slice(1)));
  if (wanted instanceof HTMLDetailsElement) wanted.open = true;
  if (wanted) wanted.scrollIntoView();
  document.body.dataset.ready = "yes";
}

fetch(DOCUMENT).then((answer) => answer.text()).then(show).catch((error) => {
  byId("loading").textContent = "The document cannot be shown: " + error.message;
});
