// Logging in and out.

import { call } from "./api.js";

const byId = (id) => document.getElementById(id);

export function wireLogin(start) {
  byId("login-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    byId("login-error").hidden = true;
    try {
      await call("POST", "session", { json: { token: byId("token").value } });
      byId("token").value = "";
      await start();
    } catch (error) {
      byId("login-error").textContent = error.message;
      byId("login-error").hidden = false;
    }
  });
  byId("logout").addEventListener("click", async () => {
    await call("DELETE", "session").catch(() => {});
    location.reload();
  });
  document.addEventListener("logged-out", () => {
    byId("desk").hidden = true;
    byId("who").hidden = true;
    byId("login").hidden = false;
  });
}

export function showSession(session) {
  byId("login").hidden = !session.login;
  byId("desk").hidden = session.login;
  byId("who").hidden = session.login || session.name === "local";
  byId("who-name").textContent = session.name ?? "";
  if (session.login) {
    byId("gallery-line").textContent = "";
    byId("token").focus();
  }
}
