/* An earlier release kept credentials here; this one keeps nothing. */
localStorage.removeItem("authorized");

/*
 * In front of the service, `OrgId` is the gateway's and no client sends it, so the document does not
 * offer it. On a developer's machine it is sent by hand.
 */
function withOrgId(document) {
  document.components.securitySchemes.OrgId = {
    type: "apiKey",
    in: "header",
    name: "OrgId",
    description: "For local development, in place of the key: the org's UUID.",
  };
  const operations = Object.values(document.paths).flatMap((item) => Object.values(item));
  for (const { security } of operations) {
    if (security?.some((schemes) => "TenantKey" in schemes)) {
      security.push({ OrgId: [] });
    }
  }
  return document;
}

const isLocal = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);

fetch("/openapi.json")
  .then((reply) => reply.json())
  .then((document) =>
    SwaggerUIBundle({
      spec: isLocal ? withOrgId(document) : document,
      dom_id: "#docs",
      deepLinking: true,
      persistAuthorization: false,
      tryItOutEnabled: true,
      validatorUrl: null,
    }),
  );
