// How pictures come to the browser source: by WebRTC, and where that finds no way as a row of JPEGs, which goes wherever
// the page itself went; taken up again by itself.

import { ask, at } from "./api.js";

const GATHERING = 1200;
const FIRST = 6000;
const STALL = 4000;
const LONGEST = 8000;

export class Arrival {
  /** film: the <video> for WebRTC.  picture: called with (source, width, height) for every picture that has come. */
  constructor({ view, height, webrtc, film, picture }) {
    Object.assign(this, { view, height, webrtc, film, picture });
    this.wait = 500;
    this.came = 0;
    this.end = () => {};
  }

  /** Begin, and never end: one way after the other. */
  async start() {
    for (;;) {
      const begin = performance.now();
      if (!this.webrtc || !(await this.stream().catch(() => false))) await this.jpegs().catch(() => {});
      // Who had pictures for a while is away for a moment; who never had any is asked less and less often.
      this.wait = this.came > begin ? 500 : Math.min(LONGEST, this.wait * 2);
      await new Promise((resolve) => setTimeout(resolve, this.wait));
    }
  }

  /** Pictures by WebRTC until they stop; false where none came. */
  async stream() {
    const peer = new RTCPeerConnection();
    let id = null;
    try {
      const begin = performance.now();
      peer.ontrack = (event) => { this.film.srcObject = new MediaStream([event.track]); };
      const { receiver } = peer.addTransceiver("video", { direction: "recvonly" });
      // The newest picture counts, not the smoothest row of them.
      if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = 0;
      await peer.setLocalDescription(await peer.createOffer());
      await gathered(peer);
      const { sdp, type } = peer.localDescription;
      const answer = await ask("POST", "/api/preview", { sdp, type, view: this.view, height: this.height });
      id = answer.id;
      await peer.setRemoteDescription({ sdp: answer.sdp, type: answer.type });
      this.film.play().catch(() => {});
      this.follow(peer);
      await stalled(() => (this.came > begin ? STALL : FIRST), () => Math.max(this.came, begin), peer);
      return this.came > begin;
    } finally {
      peer.close();
      if (id) ask("DELETE", at`/api/preview/${id}`).catch(() => {});
    }
  }

  follow(peer) {
    const look = () => {
      if (peer.connectionState === "closed") return;
      const { videoWidth, videoHeight } = this.film;
      if (videoWidth) this.had(this.film, videoWidth, videoHeight);
      this.film.requestVideoFrameCallback(look);
    };
    this.film.requestVideoFrameCallback(look);
  }

  had(source, width, height) {
    this.came = performance.now();
    this.picture(source, width, height);
  }

  /** Pictures as JPEGs until they stop. */
  async jpegs() {
    const stop = new AbortController();
    const begin = performance.now();
    const response = await fetch(`/preview.mjpg?view=${this.view}&height=${this.height}`, { signal: stop.signal });
    if (!response.ok) return;
    const silence = stalled(() => STALL, () => Math.max(this.came, begin)).then(() => stop.abort());
    for await (const data of parts(response.body.getReader())) {
      const bitmap = await createImageBitmap(new Blob([data], { type: "image/jpeg" }));
      this.had(bitmap, bitmap.width, bitmap.height);
      bitmap.close();
    }
    stop.abort();
    await silence;
  }
}

/** The bodies of a multipart answer; each part says how long it is. */
async function* parts(reader) {
  let rest = new Uint8Array(0);
  for (;;) {
    const head = text(rest);
    const gap = head.indexOf("\r\n\r\n");
    const length = gap < 0 ? NaN : Number(/content-length: *(\d+)/i.exec(head.slice(0, gap))?.[1]);
    const end = gap + 4 + length;
    if (end <= rest.length) {
      yield rest.subarray(gap + 4, end);
      rest = rest.slice(end);
      continue;
    }
    const { done, value } = await reader.read();
    if (done) return;
    const both = new Uint8Array(rest.length + value.length);
    both.set(rest);
    both.set(value, rest.length);
    rest = both;
  }
}

function text(bytes) {
  return String.fromCharCode(...bytes.subarray(0, 512));
}

/** Resolves when nothing has come for the time that `patience` gives, or the peer has failed. */
function stalled(patience, came, peer = null) {
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      const failed = ["failed", "closed"].includes(peer?.connectionState);
      if (!failed && performance.now() - came() < patience()) return;
      clearInterval(timer);
      resolve();
    }, 200);
  });
}

function gathered(peer) {
  if (peer.iceGatheringState === "complete") return undefined;
  return new Promise((resolve) => {
    peer.addEventListener("icegatheringstatechange", () => peer.iceGatheringState === "complete" && resolve());
    setTimeout(resolve, GATHERING);
  });
}
