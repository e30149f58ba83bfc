// The configuration that the harness runs sidehook with: rules and webhooks of every kind that a page must show.

/** The tokens; they protect nothing. */
export const TOKEN = "web-test-token-0123456789";
export const READ_TOKEN = "web-test-reader-0123456789";

/** Options of `start`, with what they are where nothing is said. */
export const DEFAULTS = {
  retry: '["2s", "10s", "1m"]',
  timeout: "3s",
  pauseAfter: 3,
  maxBody: "32KiB",
  maxSize: "200MiB",
  extra: "",
};

/**
 * The file's text.
 * @param {{proxy: number, admin: number, upstream: number, receiver: (path: string) => string, egress: string|null}} at
 * @param {typeof DEFAULTS} options
 */
export function configuration(at, options) {
  return `# Written by tests/web/harness.mjs.
[proxy]
listen = "127.0.0.1:${at.proxy}"
upstream = "http://127.0.0.1:${at.upstream}"
workers = 1
shutdown_grace = "2s"

[capture]
max_request_body = "${options.maxBody}"
max_response_body = "${options.maxBody}"
keep_headers = ["content-type", "user-agent", "location", "etag", "x-request-id", "idempotency-key", "x-note", "authorization", "x-api-key"]
redact_fields = ["/request/body/card/number", "/request/body/password"]

[store]
path = "data"
max_size = "${options.maxSize}"

[delivery]
timeout = "${options.timeout}"
retry = ${options.retry}
pause_after = ${options.pauseAfter}
allow_networks = ["127.0.0.0/8"]
${at.egress ? `egress_proxy = "${at.egress}"` : ""}

[admin]
listen = "127.0.0.1:${at.admin}"
token = "${TOKEN}"
read_token = "${READ_TOKEN}"
${RULES}
${webhooks(at.receiver)}
${options.extra}`;
}

const RULES = String.raw`
[[event]]
label = "task.created"
tag = "tasks"
method = "POST"
url = '^/api/v1/tasks$'
subject = 'response.body.id'

[[event]]
label = "task.done"
tag = "tasks"
method = "PATCH"
url = '^/api/v1/tasks/(?<task_id>[0-9]+)$'
when = 'response.body.status == "done"'
subject = 'request.params.task_id'

[[event]]
label = "task.deleted"
tag = "tasks"
method = "DELETE"
url = '^/api/v1/tasks/(?<task_id>[0-9]+)$'
subject = 'request.params.task_id'

[[event]]
label = "invoice.created"
tag = "money"
method = "POST"
url = '^/api/v1/invoices$'
when = 'response.body.total > 0'
subject = 'response.body.number'

[[event]]
label = "invoice.paid"
tag = "money"
method = "POST"
url = '^/api/v1/invoices/(?<number>INV-[0-9]+)/pay$'
subject = 'request.params.number'

[[event]]
label = "note.added"
method = "POST"
url = '^/api/v1/notes$'

[[event]]
label = "file.uploaded"
method = "PUT"
url = '^/api/v1/files/(?<name>.+)$'
subject = 'request.params.name'

[[event]]
label = "report.read"
method = "GET"
url = '^/api/v1/reports/(?<report>[0-9-]+)$'

[[event]]
label = "import.finished"
method = "POST"
url = '^/api/v1/imports$'

[[event]]
label = "echo.posted"
method = "POST"
url = '^/api/v1/echo'

[[event]]
label = "customer.removed"
tag = "customers"
method = "DELETE"
url = '^/api/v1/customers/(?<customer>[0-9]+)$'
query = 'confirm=yes'
status = [204, 200]
subject = 'request.params.customer'
`;

function webhooks(receiver) {
  return `
[[webhook]]
name = "billing"
url = "${receiver("/billing")}"
events = ["invoice.*"]
signing_secret = "whsec_YmlsbGluZy1iaWxsaW5nLWJpbGxpbmch"
format = "standard"
headers = { "X-Env" = "prod", "X-Region" = "eu-west" }

[[webhook]]
name = "search-index"
url = "${receiver("/search/tasks")}"
events = ["task.*"]
secret = "search-shared-secret"
signatures = ["authorization"]
ordered = true

[[webhook]]
name = "warehouse"
url = "${receiver("/warehouse/hook")}"
events = ["invoice.paid"]
signing_secret = "warehouse-signing-secret"
format = "cloudevents"
basic_auth = { username = "sidehook", password = "warehouse-password" }
`;
}

/** Webhooks made on the admin API. */
export function apiWebhooks(receiver) {
  return [
    { name: "audit-log", url: receiver("/audit"), events: ["*"], format: "cloudevents-binary", concurrency: 16 },
    {
      name: "team-chat",
      url: receiver("/chat/incoming"),
      events: ["task.done", "invoice.paid"],
      format: { template: "{{ event.label }}: {{ event.subject }}" },
      signatures: ["github"],
      rate_limit: "10/s",
    },
    { name: "slow-archive", url: receiver("/archive"), events: ["file.uploaded", "report.read", "import.finished"], timeout: "10s" },
    { name: "legacy-crm", url: receiver("/crm"), events: ["note.added"] },
  ];
}
