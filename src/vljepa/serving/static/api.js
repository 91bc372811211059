// Talking to the service: JSON in and out, errors as sentences, and the token asked for where one is wanted.

export class Refusal extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

async function answered(path, options) {
  let reply;
  try {
    reply = await fetch(path, { credentials: "same-origin", ...options });
  } catch {
    throw new Refusal("The service does not answer: is it still running?", 0);
  }
  if (reply.status === 401) {
    await askForToken();
    return answered(path, options);
  }
  if (!reply.ok) {
    const content = await reply.json().catch(() => null);
    throw new Refusal(content?.error?.message ?? `The service answered ${reply.status}.`, reply.status);
  }
  return reply;
}

export async function get(path) {
  const reply = await answered(path);
  return reply.json();
}

export async function post(path, content, signal) {
  const isForm = content instanceof FormData;
  const reply = await answered(path, {
    method: "POST",
    body: isForm ? content : JSON.stringify(content),
    headers: isForm ? {} : { "Content-Type": "application/json" },
    signal,
  });
  return reply.status === 204 ? null : reply.json();
}

export async function remove(path) {
  await answered(path, { method: "DELETE" });
}

/** An upload, with `progress` told as a share; fetch cannot tell it. */
export async function upload(file, progress) {
  const form = new FormData();
  form.append("file", file);
  await get("/v1/service"); // asks for the token before the bytes travel
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", "/v1/media");
    request.upload.onprogress = (event) => event.lengthComputable && progress(event.loaded / event.total);
    request.onerror = () => reject(new Refusal("The upload broke off: is the file too large, or the service gone?", 0));
    request.onload = () => {
      const content = JSON.parse(request.responseText || "null");
      if (request.status === 201) resolve(content);
      else reject(new Refusal(content?.error?.message ?? `The service answered ${request.status}.`, request.status));
    };
    request.send(form);
  });
}

let asking = null;

function askForToken() {
  asking ??= new Promise((resolve) => {
    const dialog = document.getElementById("token");
    const text = document.getElementById("token-text");
    const wrong = document.getElementById("token-wrong");
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    dialog.querySelector("form").onsubmit = async (event) => {
      event.preventDefault();
      const reply = await fetch("/v1/session", {
        method: "POST",
        body: JSON.stringify({ token: text.value }),
        headers: { "Content-Type": "application/json" },
      });
      if (!reply.ok) {
        wrong.textContent = "That is not the token.";
        text.select();
        return;
      }
      dialog.close();
      asking = null;
      resolve();
    };
    dialog.showModal();
  });
  return asking;
}
