// Draws /openapi.json. All text goes in as text nodes, never as markup.

const METHODS = ["get", "post", "put", "patch", "delete"];

function make(tag, text = "", className = "") {
  const node = document.createElement(tag);
  node.textContent = text;
  if (className) node.className = className;
  return node;
}

function resolve(spec, schema) {
  const prefix = "#/components/schemas/";
  const name = schema?.$ref?.startsWith(prefix) ? schema.$ref.slice(prefix.length) : "";
  return name ? spec.components.schemas[name] : schema;
}

function typeOf(spec, schema) {
  const found = resolve(spec, schema) ?? {};
  if (found.anyOf) return found.anyOf.map((part) => typeOf(spec, part)).join(" | ");
  if (found.type === "array") return `[${typeOf(spec, found.items)}]`;
  return found.type ?? found.title ?? "any";
}

function limits(schema) {
  const names = ["minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum", "default"];
  return names
    .filter((name) => schema[name] !== undefined && schema[name] !== null)
    .map((name) => `${name} ${JSON.stringify(schema[name])}`)
    .join(", ");
}

function table(rows) {
  const node = make("table");
  for (const cells of rows) {
    const line = make("tr");
    line.append(...cells.map((cell, at) => make(at ? "td" : "th", cell)));
    node.append(line);
  }
  return node;
}

function inputs(spec, operation) {
  const rows = (operation.parameters ?? []).map((parameter) => [
    parameter.name,
    parameter.in,
    typeOf(spec, parameter.schema),
    parameter.required ? "required" : limits(parameter.schema),
  ]);
  const media = operation.requestBody?.content?.["application/json"];
  let body = resolve(spec, media?.schema);
  if (body?.anyOf) body = resolve(spec, body.anyOf[0]);
  for (const [name, schema] of Object.entries(body?.properties ?? {})) {
    const required = (body.required ?? []).includes(name) ? "required" : "";
    const more = [required, limits(schema)].filter(Boolean).join(", ");
    rows.push([name, "body", typeOf(spec, schema), more]);
  }
  return rows;
}

function route(spec, path, method, operation) {
  const box = make("details");
  const summary = make("summary");
  summary.append(
    make("span", method.toUpperCase(), `method ${method}`),
    make("span", path, "path"),
    make("span", ` – ${(operation.description ?? operation.summary ?? "").replaceAll("``", "")}`),
  );
  box.append(summary);
  const rows = inputs(spec, operation);
  if (rows.length) box.append(make("h4", "Input"), table(rows));
  const answers = Object.entries(operation.responses ?? {});
  box.append(make("h4", "Answers"), table(answers.map(([code, a]) => [code, a.description])));
  return box;
}

function draw(spec) {
  const groups = new Map();
  for (const [path, methods] of Object.entries(spec.paths)) {
    for (const method of METHODS.filter((name) => methods[name])) {
      const tag = methods[method].tags?.[0] ?? "other";
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push(route(spec, path, method, methods[method]));
    }
  }
  const main = document.getElementById("routes");
  main.replaceChildren();
  for (const [tag, routes] of groups) main.append(make("h2", tag), ...routes);
}

try {
  const answer = await fetch("/openapi.json");
  if (!answer.ok) throw new Error(`/openapi.json answered ${answer.status}`);
  draw(await answer.json());
} catch (error) {
  document.getElementById("routes").textContent = `The description could not be loaded: ${error.message}`;
}
