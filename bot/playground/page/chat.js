// The chat page: draws what the playground tells, sends what the person does.
// A bot's words become text nodes and elements made here; nothing is ever parsed as HTML.
"use strict";

const $ = (id) => document.getElementById(id);
const ACTION_SHOWN_FOR = 5000; // Telegram shows "typing" for five seconds
const ANSWER_AWAITED_FOR = 20000;
const SAFE_LINK = /^(https?|tg|mailto|tel):/i;

const state = {
  bot: null,
  people: [],
  me: null, // the person's id
  chats: new Map(), // id -> { event, letters: Map(message_id -> letter) }
  unread: new Map(),
  lastEvent: 0,
  replyTo: null,
  editing: null,
  outgoing: [],
  pressed: new Map(), // query id -> function that ends the wait
  answers: new Map(), // query id -> an answer that came before its request returned
  newBelow: 0,
};

// Small things

function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && name !== "list") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const use = document.createElementNS(space, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

const fileUrl = (fileId) => `/playground/files/${encodeURIComponent(fileId)}`;
const me = () => state.people.find((person) => person.id === state.me);
const chat = () => state.chats.get(state.me);
const sizeOf = (bytes) =>
  bytes < 1024 ? `${bytes} B`
  : bytes < 1048576 ? `${(bytes / 1024).toFixed(1)} KB`
  : `${(bytes / 1048576).toFixed(1)} MB`;
const clock = (seconds) =>
  new Date(seconds * 1000).toLocaleTimeString([], {
    hour: "2-digit", minute: "2-digit", hourCycle: "h23",
  });
const dayOf = (seconds) =>
  new Date(seconds * 1000).toLocaleDateString([], { day: "numeric", month: "long" });

function avatar(person, small) {
  return make("span", {
    className: `avatar c${person.id % 7}${small ? " small" : ""}`,
    ariaHidden: "true",
    textContent: [...person.first_name][0],
  });
}

function snippet(message) {
  const words = message.text || message.caption;
  const kinds = {
    photo: "🖼 Photo", sticker: "Sticker", animation: "GIF", video: "Video", voice: "🎤 Voice",
    video_note: "Video message", location: "📍 Location", contact: "Contact",
  };
  for (const [kind, name] of Object.entries(kinds)) {
    if (message[kind]) {
      if (kind === "sticker") return `${message.sticker.emoji || ""} ${name}`.trim();
      return words ? `${kind === "photo" ? "🖼 " : ""}${words}` : name;
    }
  }
  if (message.document) return words || `📎 ${message.document.file_name || "File"}`;
  return words || "";
}

function toast(text) {
  const shown = make("div", { className: "toast", textContent: text });
  $("toasts").append(shown);
  setTimeout(() => shown.classList.add("gone"), 3200);
  setTimeout(() => shown.remove(), 3600);
}

async function ask(path, body) {
  const options = { method: body === undefined ? "GET" : "POST" };
  if (body instanceof FormData) options.body = body;
  else if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers = { "Content-Type": "application/json" };
  }
  const response = await fetch(`/playground/${path}`, options);
  const answer = await response.json();
  if (answer.mistake) throw new Error(answer.mistake);
  return answer;
}

async function deed(name, body = {}) {
  try {
    return await ask(`people/${state.me}/${name}`, body);
  } catch (error) {
    toast(error.message);
    return null;
  }
}

// Words with entities

function words(text, entities = []) {
  const sorted = [...entities].sort((a, b) => a.offset - b.offset || b.length - a.length);
  const fragment = document.createDocumentFragment();
  let used = 0;
  const fill = (parent, start, end) => {
    let at = start;
    while (used < sorted.length && sorted[used].offset < end) {
      const entity = sorted[used];
      used += 1;
      const stop = entity.offset + entity.length;
      if (entity.offset < at || stop > end) continue; // overlapping ones stay plain
      parent.append(text.slice(at, entity.offset));
      const element = entityElement(entity, text.slice(entity.offset, stop));
      fill(element, entity.offset, stop);
      parent.append(element);
      at = stop;
    }
    parent.append(text.slice(at, end));
  };
  fill(fragment, 0, text.length);
  return fragment;
}

function entityElement(entity, text) {
  const tags = {
    bold: "strong", italic: "em", underline: "u", strikethrough: "s", code: "code", pre: "pre",
    blockquote: "blockquote", expandable_blockquote: "blockquote",
  };
  const link = (url) =>
    SAFE_LINK.test(url)
      ? make("a", { href: url, target: "_blank", rel: "noopener noreferrer" })
      : make("span");
  switch (entity.type) {
    case "url": return link(/^[a-z]+:/i.test(text) ? text : `http://${text}`);
    case "text_link": return link(entity.url);
    case "email": return link(`mailto:${text}`);
    case "bot_command":
      return make("button", {
        className: "command", type: "button", onclick: () => sendText(text),
      });
    case "spoiler":
      return make("span", {
        className: "spoiler", onclick: (event) => event.currentTarget.classList.add("seen"),
      });
    default: return make(tags[entity.type] || "span");
  }
}

// One message

function messageRow(letter, previous) {
  const { message } = letter;
  const side = letter.from_bot ? "in" : "out";
  const first = !previous || previous.from_bot !== letter.from_bot;
  const bubble = make("div", { className: "bubble" });
  const text = message.text ?? message.caption ?? "";
  const media = content(message, bubble);
  if (message.reply_to_message) bubble.prepend(quote(message.reply_to_message));
  const meta = make("span", { className: "meta" });
  if (message.edit_date) meta.append(make("span", { textContent: "edited" }));
  meta.append(make("time", { textContent: clock(message.date) }));
  if (!letter.from_bot) {
    const ticks = icon(letter.read ? "ticks" : "tick");
    ticks.setAttribute("role", "img");
    ticks.setAttribute("aria-label", letter.read ? "Read by the bot" : "Sent");
    meta.append(ticks);
  }
  if (text) {
    const shown = make("div", { className: "words", dir: "auto" });
    if (/^\p{Extended_Pictographic}{1,3}\uFE0F?$/u.test(text)) shown.classList.add("huge");
    shown.append(words(text, message.entities || message.caption_entities));
    shown.append(meta, make("span", { className: "after" }));
    bubble.append(shown);
  } else {
    if (media) meta.classList.add("over");
    bubble.append(meta);
  }
  const reactions = reactionChips(letter);
  if (reactions) bubble.append(reactions);
  const stack = make("div", { className: "stack" }, bubble, tools(letter), keys(letter));
  const row = make("div", { className: `row ${side}${first ? " first" : ""}` }, stack);
  row.dataset.id = message.message_id;
  bubble.addEventListener("click", (event) => {
    if (event.target.closest("button, a, .spoiler")) return;
    const picked = row.classList.contains("picked");
    document.querySelectorAll(".picked").forEach((other) => other.classList.remove("picked"));
    row.classList.toggle("picked", !picked);
  });
  bubble.addEventListener("dblclick", () => startReply(letter));
  return row;
}

// Puts a message's photo or file into its bubble; true when it is a picture to write over.
function content(message, bubble) {
  if (message.photo) {
    const largest = message.photo.at(-1);
    const factor = Math.min(1, 430 / largest.width, 420 / largest.height);
    const image = make("img", {
      src: fileUrl(largest.file_id), alt: message.caption || "Photo",
      width: largest.width, height: largest.height, loading: "lazy",
    });
    const open = make("button", {
      className: "photo", type: "button", ariaLabel: "Open the photo",
      onclick: () => view(largest.file_id, message.caption || ""),
    }, image);
    open.style.width = `${Math.max(120, Math.round(largest.width * factor))}px`;
    open.style.maxWidth = "100%";
    open.style.aspectRatio = `${largest.width} / ${largest.height}`;
    bubble.classList.add("media");
    bubble.style.width = "fit-content";
    bubble.style.maxWidth = "100%";
    if (message.caption) {
      const words = Math.max(240, Math.round(largest.width * factor)) + 8;
      bubble.style.width = `${words}px`;
      open.style.width = "100%";
    }
    bubble.append(open);
    return true;
  }
  if (message.sticker) {
    bubble.classList.add("media", "bare");
    bubble.append(make("img", {
      className: "sticker", src: fileUrl(message.sticker.file_id),
      alt: `${message.sticker.emoji || ""} Sticker`,
    }));
    return true;
  }
  const names = {
    animation: ["film", "GIF"], video: ["film", "Video"], voice: ["voice", "Voice message"],
    video_note: ["film", "Video message"], document: ["file", "File"],
  };
  for (const [kind, [symbol, name]] of Object.entries(names)) {
    const file = message[kind];
    if (!file) continue;
    const blob = make("span", { className: "blob" });
    blob.append(
      file.thumbnail
        ? make("img", { src: fileUrl(file.thumbnail.file_id), alt: "" })
        : icon(symbol),
    );
    bubble.append(make("a", {
      className: "file", href: `${fileUrl(file.file_id)}?download`,
      download: file.file_name || name,
    }, blob, make("span", {},
      make("b", { textContent: kind === "document" ? file.file_name || name : name }),
      make("span", { textContent: sizeOf(file.file_size || 0) }))));
    return false;
  }
  if (message.location) {
    const { latitude, longitude } = message.location;
    bubble.append(make("div", { textContent: `📍 ${latitude.toFixed(4)}, ${longitude.toFixed(4)}` }));
  }
  if (message.contact) {
    const { first_name: name, phone_number: number } = message.contact;
    bubble.append(make("div", { textContent: `👤 ${name} ${number}` }));
  }
  return false;
}

function quote(message) {
  const who = message.from.is_bot ? state.bot.first_name : message.from.first_name;
  return make("button", {
    className: "quote", type: "button", onclick: () => jumpTo(message.message_id),
  }, make("b", { textContent: who }), make("span", { textContent: snippet(message) }));
}

function reactionChips(letter) {
  const chips = [];
  for (const [side, emoji] of Object.entries(letter.reactions)) {
    for (const one of emoji) {
      const mine = side === "person";
      chips.push(make("button", {
        className: `reaction${mine ? " mine" : ""}`, type: "button", textContent: one,
        ariaLabel: `${mine ? "Your" : "The bot's"} reaction ${one}`,
        onclick: () => mine && react(letter, one),
      }));
    }
  }
  return chips.length ? make("div", { className: "reactions" }, ...chips) : null;
}

function tools(letter) {
  const tool = (label, content, onclick) =>
    make("button", { type: "button", ariaLabel: label, title: label, onclick }, content);
  const bar = make("div", { className: "tools", role: "toolbar", ariaLabel: "Message" });
  bar.append(
    tool("React 👍", "👍", () => react(letter, "👍")),
    tool("React 👎", "👎", () => react(letter, "👎")),
    tool("Reply", icon("reply"), () => startReply(letter)),
  );
  const { message } = letter;
  if (!letter.from_bot && (message.text !== undefined || message.photo || message.document)) {
    bar.append(tool("Edit", icon("edit"), () => startEdit(letter)));
  }
  bar.append(tool("Delete", icon("trash"), () =>
    deed("delete", { message_id: message.message_id })));
  return bar;
}

function keys(letter) {
  const rows = letter.message.reply_markup?.inline_keyboard;
  if (!rows?.length) return null;
  const box = make("div", { className: "keys" });
  for (const row of rows) {
    const line = make("div");
    for (const button of row) {
      if (button.url && SAFE_LINK.test(button.url)) {
        line.append(make("a", {
          className: "key", href: button.url, target: "_blank", rel: "noopener noreferrer",
          textContent: `${button.text} ↗`,
        }));
        continue;
      }
      const key = make("button", { className: "key", type: "button", textContent: button.text });
      key.addEventListener("click", () => press(letter, button, key));
      line.append(key);
    }
    box.append(line);
  }
  return box;
}

async function press(letter, button, key) {
  if (button.callback_data === undefined) {
    if (button.copy_text) await navigator.clipboard?.writeText(button.copy_text.text);
    toast(button.copy_text ? "Copied" : "The playground has no such button");
    return;
  }
  if (key.classList.contains("busy")) return;
  key.classList.add("busy");
  key.ariaBusy = "true";
  const free = () => {
    key.classList.remove("busy");
    key.ariaBusy = "false";
  };
  const answer = await deed("press", {
    message_id: letter.message.message_id, data: button.callback_data,
  });
  if (!answer) return free();
  const timer = setTimeout(() => end(null), ANSWER_AWAITED_FOR);
  const end = (given) => {
    clearTimeout(timer);
    state.pressed.delete(answer.query_id);
    free();
    if (given?.text) showAnswer(given);
  };
  state.pressed.set(answer.query_id, end);
  const early = state.answers.get(answer.query_id);
  if (early) end(early);
}

function showAnswer(answer) {
  if (!answer.show_alert) return toast(answer.text);
  $("alert-text").textContent = answer.text;
  $("alert").showModal();
}

const react = (letter, emoji) =>
  deed("react", {
    message_id: letter.message.message_id,
    emoji: letter.reactions.person?.includes(emoji) ? "" : emoji,
  });

// The chat

function visible() {
  const loaded = chat();
  return loaded ? [...loaded.letters.values()].filter((letter) => !letter.deleted) : [];
}

function drawChat() {
  const log = $("log");
  log.replaceChildren();
  const letters = visible();
  let previous = null;
  for (const letter of letters) {
    addDay(previous, letter);
    log.append(messageRow(letter, previous));
    previous = letter;
  }
  if (!letters.length) {
    log.append(make("div", { className: "hello" },
      make("img", { src: "/favicon.svg", alt: "" }),
      make("h3", { textContent: state.bot.first_name }),
      make("p", { textContent: me().description || "No messages here yet." })));
  }
  drawComposer();
  toEnd();
}

function addDay(previous, letter) {
  const day = dayOf(letter.message.date);
  if (previous && dayOf(previous.message.date) === day) return;
  $("log").append(make("div", { className: "day" }, make("span", { textContent: day })));
}

const rowOf = (id) => $("log").querySelector(`.row[data-id="${id}"]`);

function drawLetter(letter, isNew) {
  const letters = visible();
  const place = letters.indexOf(letter);
  const old = rowOf(letter.message.message_id);
  if (letter.deleted) {
    old?.classList.add("leaving");
    setTimeout(() => { old?.remove(); if (!visible().length) drawChat(); }, 180);
    return;
  }
  const below = isNearEnd();
  const row = messageRow(letter, letters[place - 1]);
  if (old) old.replaceWith(row);
  else {
    if (place === 0) $("log").replaceChildren();
    addDay(letters[place - 1], letter);
    row.classList.add("fresh");
    $("log").append(row);
  }
  if (isNew && letter.from_bot) showAction(null);
  if (below || (isNew && !letter.from_bot)) toEnd();
  else if (isNew) {
    state.newBelow += 1;
    drawToEnd();
  }
  drawComposer();
}

const scroller = $("scroller");
const isNearEnd = () =>
  scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 120;

function toEnd() {
  state.newBelow = 0;
  scroller.scrollTop = scroller.scrollHeight;
  drawToEnd();
}

function drawToEnd() {
  $("to-end").hidden = isNearEnd();
  $("to-end").querySelector("b").textContent = state.newBelow || "";
}

function jumpTo(id) {
  const row = rowOf(id);
  if (!row) return;
  row.scrollIntoView({ block: "center", behavior: "smooth" });
  row.classList.remove("flash");
  void row.offsetWidth; // starts the animation anew
  row.classList.add("flash");
}

let actionTimer = 0;
function showAction(action) {
  clearTimeout(actionTimer);
  const names = {
    typing: "typing…", upload_photo: "sending a photo…", upload_document: "sending a file…",
    choose_sticker: "choosing a sticker…",
  };
  const status = $("bot-status");
  const below = isNearEnd();
  status.textContent = action ? names[action] || "busy…" : "bot";
  status.classList.toggle("live", Boolean(action));
  $("typing").hidden = !action;
  if (!action) return;
  if (below) toEnd();
  actionTimer = setTimeout(() => showAction(null), ACTION_SHOWN_FOR);
}

function view(fileId, caption) {
  $("viewer-image").src = fileUrl(fileId);
  $("viewer-caption").textContent = caption;
  $("viewer").showModal();
}

// People

function drawPeople() {
  const list = $("people-list");
  list.replaceChildren();
  for (const person of state.people) {
    const last = person.last_letter;
    const name = make("span", { className: "name" },
      make("span", { textContent: person.first_name }));
    if (person.admin) {
      name.append(make("span", { className: "tag", textContent: "admin" }));
    }
    if (person.language_code !== "en") {
      name.append(make("span", { className: "tag", textContent: person.language_code }));
    }
    const unread = state.unread.get(person.id);
    list.append(make("li", {}, make("button", {
      className: "person", type: "button", ariaCurrent: String(person.id === state.me),
      onclick: () => become(person.id),
    },
    avatar(person), name,
    make("span", { className: "time", textContent: last ? clock(last.message.date) : "" }),
    make("span", {
      className: "last",
      textContent: person.blocked ? "has blocked the bot"
        : last ? `${last.from_bot ? "" : "You: "}${snippet(last.message)}` : `id ${person.id}`,
    }),
    unread ? make("span", { className: "unread", textContent: unread }) : null)));
  }
  $("me-chip").replaceChildren(avatar(me(), true));
  $("me-chip").title = me().first_name;
}

async function become(id) {
  state.me = id;
  localStorage.setItem("person", id);
  state.unread.delete(id);
  $("app").classList.remove("people-open");
  leaveContext();
  showAction(null);
  await load(id);
  document.documentElement.lang = me().language_code;
  drawPeople();
  drawChat();
  if (matchMedia("(hover: hover)").matches) $("text").focus();
}

async function load(id) {
  const { event, letters } = await ask(`chats/${id}`);
  const byId = new Map(letters.map((letter) => [letter.message.message_id, letter]));
  state.chats.set(id, { event, letters: byId });
}

async function loadPeople() {
  const told = await ask("state");
  Object.assign(state, { bot: told.bot, people: told.people });
  $("bot-name").textContent = told.bot.first_name;
  document.title = `${told.bot.first_name} playground`;
  return told;
}

// Writing

const text = $("text");

function drawComposer() {
  const person = me();
  const shut = person.blocked || !visible().length;
  $("composer").classList.toggle("shut", shut);
  $("start").hidden = person.blocked || !shut;
  $("unblock").hidden = !person.blocked;
  $("menu").hidden = !person.commands.length;
  $("block").hidden = person.blocked || !person.started;
  const canSend = text.value.trim() !== "";
  $("send").disabled = !canSend;
  drawReplyKeyboard();
}

function drawReplyKeyboard() {
  const box = $("reply-keyboard");
  const last = visible().filter((letter) => letter.from_bot && letter.keyboard).at(-1);
  const rows = last?.keyboard.keyboard || [];
  box.hidden = !rows.length;
  box.replaceChildren(...rows.map((row) => make("div", {}, ...row.map((button) => {
    const words = typeof button === "string" ? button : button.text;
    return make("button", {
      className: "key", type: "button", textContent: words, onclick: () => sendText(words),
    });
  }))));
}

function fitText() {
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight}px`;
}

const sendText = (words) => deed("text", { text: words, ...takeReply() });

function takeReply() {
  const reply = state.replyTo ? { reply_to: state.replyTo.message.message_id } : {};
  leaveContext();
  return reply;
}

async function send() {
  const written = text.value.trim();
  if (!written) return;
  const { editing } = state;
  text.value = "";
  fitText();
  if (editing) {
    leaveContext();
    await deed("edit", { message_id: editing.message.message_id, text: written });
  } else await sendText(written);
  drawComposer();
}

function showContext(title, letter, symbol) {
  $("context").hidden = false;
  $("composer").classList.add("replying");
  $("context-title").textContent = title;
  $("context-text").textContent = snippet(letter.message);
  $("context").querySelector("use").setAttribute("href", `#i-${symbol}`);
  text.focus();
}

function startReply(letter) {
  leaveContext();
  state.replyTo = letter;
  const who = letter.from_bot ? state.bot.first_name : me().first_name;
  showContext(`Reply to ${who}`, letter, "reply");
}

function startEdit(letter) {
  leaveContext();
  state.editing = letter;
  text.value = letter.message.text ?? letter.message.caption ?? "";
  fitText();
  showContext(letter.message.text === undefined ? "Edit caption" : "Edit message", letter, "edit");
  drawComposer();
}

function leaveContext() {
  if (state.editing) {
    text.value = "";
    fitText();
  }
  state.replyTo = state.editing = null;
  $("context").hidden = true;
  $("composer").classList.remove("replying");
}

function showCommands(start) {
  const fitting = me().commands.filter((one) => `/${one.command}`.startsWith(start));
  const list = $("commands");
  list.hidden = !fitting.length;
  $("menu").ariaExpanded = String(!list.hidden);
  list.replaceChildren(...fitting.map((one, place) => make("li", {}, make("button", {
    type: "button", className: place === 0 && start.length > 1 ? "chosen" : "",
    onclick: () => {
      hidePopovers();
      text.value = "";
      sendText(`/${one.command}`);
      drawComposer();
    },
  }, make("b", { textContent: `/${one.command}` }),
  make("span", { textContent: one.description })))));
}

function hidePopovers() {
  $("commands").hidden = $("attach-menu").hidden = true;
  $("menu").ariaExpanded = $("attach").ariaExpanded = "false";
}

// Photos and files

function offer(files, asFile) {
  state.outgoing = [...files];
  if (!state.outgoing.length) return;
  const pictures = state.outgoing.every((file) => file.type.startsWith("image/"));
  const many = state.outgoing.length > 1;
  $("outgoing-title").textContent = pictures
    ? many ? `Send ${state.outgoing.length} photos` : "Send a photo"
    : many ? `Send ${state.outgoing.length} files` : "Send a file";
  $("as-file").checked = asFile || !pictures;
  $("as-file").disabled = !pictures;
  $("caption").value = text.value;
  $("outgoing-preview").replaceChildren(...state.outgoing.map((file) => {
    if (!file.type.startsWith("image/")) {
      return make("p", { textContent: `📎 ${file.name} · ${sizeOf(file.size)}` });
    }
    const url = URL.createObjectURL(file);
    const image = make("img", { src: url, alt: file.name });
    image.addEventListener("load", () => URL.revokeObjectURL(url));
    image.addEventListener("error", () =>
      image.replaceWith(make("p", { textContent: `📎 ${file.name} · ${sizeOf(file.size)}` })));
    return image;
  }));
  $("outgoing").showModal();
  $("caption").focus();
}

async function sendOutgoing() {
  const files = state.outgoing;
  state.outgoing = [];
  const values = { caption: $("caption").value, ...takeReply() };
  text.value = "";
  fitText();
  const form = (parts) => {
    const body = new FormData();
    Object.entries(values).forEach(([name, value]) => body.append(name, value));
    parts.forEach(([name, file]) => body.append(name, file, file.name));
    return body;
  };
  if ($("as-file").checked) {
    for (const file of files) {
      await deed("document", form([["file", file]]));
      values.caption = "";
    }
  } else if (files.length > 1) {
    await deed("album", form(files.slice(0, 10).map((file, place) => [`file${place}`, file])));
  } else await deed("photo", form([["file", files[0]]]));
}

let camera = null;
async function openWebcam() {
  $("webcam-trouble").hidden = true;
  $("shoot").disabled = true;
  $("webcam").showModal();
  try {
    camera = await navigator.mediaDevices.getUserMedia({
      video: { width: { ideal: 1280 }, facingMode: "user" },
    });
    if (!$("webcam").open) return closeWebcam();
    $("video").srcObject = camera;
    await $("video").play();
    $("shoot").disabled = false;
  } catch (error) {
    $("webcam-trouble").textContent = `The webcam cannot be used: ${error.message}`;
    $("webcam-trouble").hidden = false;
  }
}

function closeWebcam() {
  camera?.getTracks().forEach((track) => track.stop());
  camera = null;
  $("video").srcObject = null;
}

async function shoot() {
  const video = $("video");
  const canvas = make("canvas", { width: video.videoWidth, height: video.videoHeight });
  canvas.getContext("2d").drawImage(video, 0, 0);
  const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.92));
  $("webcam").close();
  offer([new File([blob], "webcam.jpg", { type: "image/jpeg" })], false);
}

// What the playground tells

async function hear(event) {
  state.lastEvent = event.event;
  if (event.kind === "people" || event.kind === "commands" || event.kind === "description") {
    await loadPeople();
    drawPeople();
    if (!visible().length) drawChat();
    return drawComposer();
  }
  if (event.kind === "answer") {
    const end = state.pressed.get(event.query_id);
    state.answers.set(event.query_id, event);
    return end?.(event);
  }
  if (event.kind === "action") return event.person === state.me && showAction(event.action);
  if (event.kind === "read") return markRead(event);
  hearLetter(event);
}

function markRead(event) {
  const letter = state.chats.get(event.person)?.letters.get(event.message_id);
  if (!letter || letter.read) return;
  letter.read = true;
  if (event.person === state.me) drawLetter(letter, false);
}

function hearLetter(event) {
  const { letter, person: id } = event;
  const person = state.people.find((one) => one.id === id);
  if (!person) return;
  if (event.kind === "message") {
    person.last_letter = letter;
    person.started = true;
    if (letter.from_bot && id !== state.me) {
      state.unread.set(id, (state.unread.get(id) || 0) + 1);
    }
  } else if (person.last_letter?.message.message_id === letter.message.message_id) {
    person.last_letter = letter.deleted ? null : letter;
  }
  const loaded = state.chats.get(id);
  if (loaded && event.event > loaded.event) {
    const id_ = letter.message.message_id;
    loaded.letters.set(id_, letter);
    if (id === state.me) {
      drawLetter(letter, event.kind === "message");
      const gone = [state.replyTo, state.editing].some(
        (one) => letter.deleted && one?.message.message_id === id_);
      if (gone) leaveContext();
    }
  }
  drawPeople();
}

function listen() {
  let queue = Promise.resolve();
  const stream = new EventSource(`/playground/stream?after=${state.lastEvent}`);
  stream.onmessage = (sent) => {
    queue = queue.then(() => hear(JSON.parse(sent.data))).catch(console.error);
  };
  stream.onopen = async () => {
    if (!$("lost").hidden) location.reload(); // it may have been started anew
  };
  stream.onerror = () => { $("lost").hidden = false; };
}

// Wiring

$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const chosen = $("commands").querySelector(".chosen");
  if (!$("commands").hidden && chosen) return chosen.click();
  hidePopovers();
  send();
});
text.addEventListener("input", () => {
  fitText();
  drawComposer();
  if (/^\/\w*$/.test(text.value) && !state.editing) showCommands(text.value);
  else hidePopovers();
});
text.addEventListener("keydown", (event) => {
  const touch = matchMedia("(hover: none)").matches;
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing && !touch) {
    event.preventDefault();
    $("composer").requestSubmit();
  } else if (event.key === "Escape") {
    hidePopovers();
    leaveContext();
    drawComposer();
  } else if (event.key === "ArrowUp" && !text.value) {
    const mine = visible().filter((l) => !l.from_bot && l.message.text !== undefined).at(-1);
    if (mine) {
      event.preventDefault();
      startEdit(mine);
    }
  }
});
$("start").addEventListener("click", () => sendText("/start"));
$("block").addEventListener("click", () => deed("block", { blocked: true }));
$("unblock").addEventListener("click", () => deed("block", { blocked: false }));
$("context-close").addEventListener("click", () => { leaveContext(); drawComposer(); });
$("menu").addEventListener("click", () => {
  const hidden = $("commands").hidden;
  hidePopovers();
  if (hidden) showCommands("/");
});
$("attach").addEventListener("click", () => {
  const hidden = $("attach-menu").hidden;
  hidePopovers();
  $("attach-menu").hidden = !hidden;
  $("attach").ariaExpanded = String(hidden);
});
$("attach-menu").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  hidePopovers();
  if (button.dataset.send) deed(button.dataset.send, {});
  else if (button.dataset.attach === "webcam") openWebcam();
  else $(`${button.dataset.attach}-input`).click();
});
for (const kind of ["photo", "document"]) {
  $(`${kind}-input`).addEventListener("change", (event) => {
    offer(event.target.files, kind === "document");
    event.target.value = "";
  });
}
document.addEventListener("click", (event) => {
  if (!event.target.closest(".popover, #menu, #attach, #text")) hidePopovers();
  if (!event.target.closest(".row")) {
    document.querySelectorAll(".picked").forEach((row) => row.classList.remove("picked"));
  }
});
document.addEventListener("paste", (event) => {
  const files = [...(event.clipboardData?.files || [])];
  if (!files.length || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  offer(files, false);
});
let dragDepth = 0;
const dragsFiles = (event) => event.dataTransfer?.types.includes("Files");
const showDrop = (change) => {
  dragDepth = Math.max(0, dragDepth + change);
  $("drop").hidden = dragDepth === 0;
};
document.addEventListener("dragenter", (event) => dragsFiles(event) && showDrop(1));
document.addEventListener("dragleave", (event) => dragsFiles(event) && showDrop(-1));
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  dragDepth = 0;
  showDrop(0);
  offer(event.dataTransfer?.files || [], false);
});
document.querySelectorAll("dialog").forEach((dialog) => {
  dialog.addEventListener("click", (event) => {
    const outside = event.target === dialog && dialog.id !== "outgoing";
    if (event.target.closest("[data-close]") || outside) dialog.close();
  });
});
$("viewer-image").addEventListener("click", () => $("viewer").close());
$("outgoing").querySelector("form").addEventListener("submit", () => sendOutgoing());
$("webcam").addEventListener("close", closeWebcam);
$("shoot").addEventListener("click", shoot);
$("open-people").addEventListener("click", () => $("app").classList.toggle("people-open"));
$("me-chip").addEventListener("click", () => $("app").classList.toggle("people-open"));
$("shade").addEventListener("click", () => $("app").classList.remove("people-open"));
$("to-end").addEventListener("click", toEnd);
scroller.addEventListener("scroll", () => {
  if (isNearEnd()) state.newBelow = 0;
  drawToEnd();
});
new ResizeObserver(() => { if (isNearEnd()) toEnd(); }).observe($("log"));

(async () => {
  const told = await loadPeople();
  state.lastEvent = told.event;
  const wanted = Number(new URLSearchParams(location.search).get("person")
    || localStorage.getItem("person"));
  const start = state.people.find((person) => person.id === wanted)
    || state.people.find((person) => !person.admin) || state.people[0];
  state.me = start.id;
  await become(start.id);
  listen();
})();
