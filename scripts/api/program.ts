// A program as somebody who builds a front end would write it: over openapi-fetch, with the types
// that openapi-typescript makes of the document. It must compile under --strict and do what it
// says against a running server.
//
//   node program.js URL EMAIL PASSWORD

import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

declare const process: { argv: string[] };
type Customer = components["schemas"]["Customer"];
type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const holds = <T extends true>(): T => true as T;

// What the types must be for their user; a change for the worse does not compile.
holds<Equal<Customer["name"], string>>();
holds<Equal<Customer["annualRevenue"], string | null | undefined>>();
holds<Equal<Customer["status"], components["schemas"]["CustomerStatus"]>>();
holds<Equal<components["schemas"]["CustomerPatch"]["phone"], string | null | undefined>>();
holds<Equal<Customer["customFields"][string], string | number | boolean | string[] | null>>();
holds<Equal<components["schemas"]["Meta"]["nextCursor"], string | null | undefined>>();
holds<Equal<components["schemas"]["CustomerReply"]["success"], true>>();
holds<Equal<components["schemas"]["ErrorReply"]["success"], false>>();

const [url, email, password] = process.argv.slice(2);
if (!url || !email || !password) throw new Error("usage: program.js URL EMAIL PASSWORD");

function check(condition: unknown, what: string): asserts condition {
  if (!condition) throw new Error(what);
}

const client = createClient<paths>({
  baseUrl: `${url}/api/v1`,
  // Conditions are parameters of their own (`style: form`, exploded, as the document says).
  querySerializer: { object: { style: "form", explode: true } },
});

const session = await client.POST("/auth/login", { body: { email, password } });
check(session.data, "signing in failed");
const signedIn = session.data.data;
check("token" in signedIn, "a second factor is asked for");
client.use({
  onRequest({ request }) {
    request.headers.set("Authorization", `Bearer ${signedIn.token}`);
    return request;
  },
});

const field = await client.POST("/custom-fields", {
  body: { recordType: "customers", key: "tsSeats", label: "Seats", type: "number" },
});
check(field.data?.data.key === "tsSeats", `no custom field: ${JSON.stringify(field.error)}`);

const created: Customer[] = [];
for (const [i, companyName] of ["Typed One", "Typed Two", "Typed Three"].entries()) {
  const { data, error, response } = await client.POST("/customers", {
    body: {
      companyName,
      annualRevenue: "123456789012345.75",
      phone: "+49 30 1234567",
      status: i === 2 ? "paused" : "active",
      customFields: { tsSeats: 10 * (i + 1) },
    },
  });
  check(data, `not created: ${JSON.stringify(error)}`);
  check(response.headers.get("Location")?.endsWith(data.data.id), "no Location");
  check(data.data.annualRevenue === "123456789012345.75", "a decimal lost something");
  created.push(data.data);
}
const [first] = created;
check(first, "nothing was created");

const some = await client.GET("/customers", {
  params: {
    query: {
      status: ["active", "paused"],
      sort: ["-customFields.tsSeats", "name"],
      conditions: { "companyName[startsWith]": "Typed", "customFields.tsSeats[gte]": 20 },
      expand: ["tags"],
    },
  },
});
check(some.data, `not listed: ${JSON.stringify(some.error)}`);
const names = some.data.data.map((customer) => customer.companyName);
check(names.join() === "Typed Three,Typed Two", `other customers: ${names}`);
check(some.data.meta.total === 2, "no total");

let cursor: string | undefined = "";
const walked: string[] = [];
while (cursor !== undefined) {
  const part: { data?: components["schemas"]["CustomerList"] } = await client.GET("/customers", {
    params: { query: { cursor, limit: 2, filter: 'companyName = "Typed*"' } },
  });
  check(part.data, "the walk ended early");
  walked.push(...part.data.data.map((customer) => customer.id));
  cursor = part.data.meta.nextCursor ?? undefined;
}
check(new Set(walked).size === 3, `walked ${walked}`);

// Kept, set and cleared.
const path = { id: first.id };
const changed = await client.PATCH("/customers/{id}", {
  params: { path, header: { "If-Match": `"${first.version}"` } },
  body: { phone: null, city: "Kiel", customFields: { tsSeats: null } },
});
check(changed.data, `not changed: ${JSON.stringify(changed.error)}`);
check(changed.data.data.companyName === "Typed One", "what was left out changed");
check(changed.data.data.phone === null && changed.data.data.city === "Kiel", "not patched");
check(changed.data.data.customFields["tsSeats"] === undefined, "a custom field was not cleared");

const stale = await client.PATCH("/customers/{id}", {
  params: { path, header: { "If-Match": `"${first.version}"` } },
  body: { city: "Rostock" },
});
check(stale.response.status === 412, "a stale version was taken");
check(stale.error?.errors[0]?.code === "STALE_VERSION", "the fault has no code");

const wrong = await client.POST("/customers", { body: { email: "nobody" } });
check(wrong.error?.errors.some((fault) => fault.field === "email"), "the fault names no field");

for (const { id } of created) {
  const { error } = await client.DELETE("/customers/{id}", { params: { path: { id } } });
  check(!error, `not deleted: ${JSON.stringify(error)}`);
}
await client.DELETE("/custom-fields/{id}", { params: { path: { id: field.data.data.id } } });
console.log("the program in TypeScript did what it says");
