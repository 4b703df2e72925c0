// Signs and verifies with the senders' own libraries. Tasks as JSON on standard input, answers as JSON on standard
// output, in the same order: the headers that prove a body, or whether they do.
import { sign, verify } from "@octokit/webhooks-methods";
import { Webhook } from "standardwebhooks";
import { readFileSync } from "node:fs";

const octokit = {
  sign: async ({ secret, body }) => ({ "x-hub-signature-256": await sign(secret, body) }),
  verify: ({ secret, body, headers }) => verify(secret, body, headers["x-hub-signature-256"]),
};

const standardwebhooks = {
  sign: ({ secret, body, id }) => {
    const now = new Date();
    return {
      "webhook-id": id,
      "webhook-timestamp": String(Math.floor(now.getTime() / 1000)),
      "webhook-signature": new Webhook(secret).sign(id, now, body),
    };
  },
  verify: ({ secret, body, headers }) => {
    try {
      new Webhook(secret).verify(body, headers, { jsonParse: false });
      return true;
    } catch (error) {
      if (error.message !== "No matching signature found") throw error;
      return false;
    }
  },
};

const libraries = { octokit, standardwebhooks };
const tasks = JSON.parse(readFileSync(0, "utf8"));
const answers = [];
for (const task of tasks) answers.push(await libraries[task.library][task.verb](task));
process.stdout.write(JSON.stringify(answers));
