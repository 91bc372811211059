// The API's description as a page, drawn from /openapi.json: no script comes from anywhere else.

import { make } from "./make.js";

const main = document.getElementById("main");

function typeOf(schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(" or ");
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(", ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.type === "array") return `list of ${typeOf(schema.items) || "anything"}`;
  return schema.format ? `${schema.type} (${schema.format})` : (schema.type ?? "anything");
}

function fields(schema) {
  const rows = Object.entries(schema?.properties ?? {}).map(([name, field]) => make("tr", {},
    make("td", {}, make("code", {}, name)),
    make("td", {}, typeOf(field)),
    make("td", {}, schema.required?.includes(name) ? "required" : field.default === undefined || field.default === null ? "" : `default ${JSON.stringify(field.default)}`)));
  return rows.length ? make("table", {}, make("thead", {}, make("tr", {}, ["field", "type", ""].map((text) => make("th", { scope: "col" }, text)))), make("tbody", {}, rows)) : null;
}

function route(path, verb, about, schemas) {
  const named = (schema) => (schema?.$ref ? schemas[typeOf(schema)] : schema);
  const bodies = Object.entries(about.requestBody?.content ?? {}).map(([type, { schema }]) => [make("p", { class: "soft small" }, "Body: ", make("code", {}, type), named(schema)?.description && ` · ${named(schema).description}`), fields(named(schema))]);
  const given = about.parameters?.length && make("p", { class: "soft small" }, "Parameters: ", about.parameters.map((one) => make("code", {}, one.name)));
  const answers = make("p", { class: "soft small" }, "Answers: ", Object.keys(about.responses).join(", "), "; errors as {\"error\": {\"message\": …}}");
  return make("details", { class: "panel route" },
    make("summary", {}, make("span", { class: `verb ${verb.toUpperCase()}` }, verb.toUpperCase()), make("span", { class: "path" }, path), make("span", { class: "about" }, about.description?.split("\n")[0] ?? "")),
    make("div", { class: "inside" }, given, bodies.flat(), answers));
}

const { info, paths, components } = await (await fetch("/openapi.json")).json();
const groups = new Map();
for (const [path, verbs] of Object.entries(paths)) {
  for (const [verb, about] of Object.entries(verbs)) {
    const group = about.tags?.[0] ?? "other";
    if (!groups.has(group)) groups.set(group, []);
    groups.get(group).push(route(path, verb, about, components.schemas));
  }
}
main.append(make("h1", {}, "The API"), make("p", { class: "lead" }, `${info.description} Version ${info.version}.`),
  ...[...groups].flatMap(([group, routes]) => [make("h2", { class: "group" }, group), ...routes]),
  make("h2", { class: "group" }, "an item"), make("div", { class: "panel" }, make("p", { class: "soft small" }, components.schemas.Part.description), fields(components.schemas.Part)));
main.dataset.ready = "docs";
