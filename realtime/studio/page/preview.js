// The live picture: one WebRTC track with the untouched picture left and the finished one right, so that both are in step;
// where that cannot be had, rows of JPEGs.

import { ask, at } from "./api.js";

const GATHERING = 1200;
const FIRST_PICTURE = 6000;
const STALL = 4000;

export class Preview {
  /** show: called with {stream, jpegs, reason}: a MediaStream, what to ask /preview.mjpg for, or neither yet. */
  constructor(show) {
    this.show = show;
    this.height = 360;
    this.peer = null;
    this.id = null;
    this.wanted = false;
    this.timer = 0;
    this.wait = 500;
    this.attempt = 0;
    this.moved = 0;
    setInterval(() => this.watch(), 1000);
  }

  /** Show the loop's pictures from now on, `height` px high; the pictures there are stay until the new ones come. */
  open(height = this.height) {
    const same = this.wanted && height === this.height && (this.peer || this.timer);
    this.wanted = true;
    this.height = height;
    if (!same) this.start();
  }

  /** Show nothing any more. */
  close() {
    this.wanted = false;
    this.attempt += 1;
    clearTimeout(this.timer);
    this.timer = 0;
    this.leave(this.peer, this.id);
    this.peer = this.id = null;
    this.show({ stream: null, jpegs: null });
  }

  /** A picture of the stream was shown; told by whoever shows it. */
  tick() {
    this.moved = performance.now();
    this.wait = 500;
  }

  /** Whether pictures are to be expected now; while the loop stands still none come, and that is no fault. */
  expect(running) {
    if (running && !this.running) this.moved = performance.now();
    this.running = running;
  }

  watch() {
    const silent = this.running && this.peer && performance.now() - this.moved > STALL;
    if (this.wanted && silent) this.again();
  }

  again() {
    clearTimeout(this.timer);
    this.moved = performance.now();
    this.timer = setTimeout(() => this.start(), this.wait);
    this.wait = Math.min(8000, this.wait * 2);
  }

  async start() {
    clearTimeout(this.timer);
    this.timer = 0;
    const attempt = (this.attempt += 1);
    const [before, beforeId] = [this.peer, this.id];
    try {
      const { peer, id, stream } = await this.negotiated(attempt);
      if (attempt !== this.attempt) return this.leave(peer, id);
      this.peer = peer;
      this.id = id;
      this.moved = performance.now() + FIRST_PICTURE - STALL;
      peer.onconnectionstatechange = () => {
        if (peer === this.peer && ["failed", "disconnected", "closed"].includes(peer.connectionState)) this.lost(peer.connectionState);
      };
      this.show({ stream, jpegs: null });
    } catch (problem) {
      if (attempt === this.attempt) this.fallback(problem.message);
    } finally {
      this.leave(before, beforeId);
    }
  }

  lost(how) {
    if (how === "failed" && !this.everConnected) this.fallback("This browser found no way to the Studio's live picture");
    else this.again();
  }

  // JPEGs go wherever the page itself went; the better way is tried again from time to time.
  fallback(reason) {
    this.leave(this.peer, this.id);
    this.peer = this.id = null;
    if (!this.wanted) return;
    this.show({ stream: null, jpegs: `height=${this.height}&at=${Date.now()}`, reason });
    this.timer = setTimeout(() => this.start(), 20000);
  }

  async negotiated(attempt) {
    if (typeof RTCPeerConnection === "undefined") throw new Error("This browser has no WebRTC");
    const peer = new RTCPeerConnection();
    let id = null;
    try {
      const arrived = new Promise((resolve) => { peer.ontrack = (event) => resolve(event.streams[0] ?? new MediaStream([event.track])); });
      const transceiver = peer.addTransceiver("video", { direction: "recvonly" });
      // The newest picture counts, not the smoothest row of them.
      if ("jitterBufferTarget" in transceiver.receiver) transceiver.receiver.jitterBufferTarget = 0;
      await peer.setLocalDescription(await peer.createOffer());
      await gathered(peer);
      const { sdp, type } = peer.localDescription;
      const answer = await ask("POST", "/api/preview", { sdp, type, view: "both", height: this.height });
      id = answer.id;
      if (attempt !== this.attempt) throw new Error("overtaken");
      await peer.setRemoteDescription({ sdp: answer.sdp, type: answer.type });
      const stream = await arrived;
      await connected(peer);
      this.everConnected = true;
      return { peer, id, stream };
    } catch (problem) {
      this.leave(peer, id);
      throw problem;
    }
  }

  leave(peer, id) {
    if (!peer) return;
    peer.onconnectionstatechange = null;
    // Said before it is done: a peer that vanishes is forgotten there, and would no longer be found.
    const said = id ? ask("DELETE", at`/api/preview/${id}`) : Promise.resolve();
    said.catch(() => {}).finally(() => peer.close());
  }
}

function gathered(peer) {
  if (peer.iceGatheringState === "complete") return undefined;
  return new Promise((resolve) => {
    peer.addEventListener("icegatheringstatechange", () => peer.iceGatheringState === "complete" && resolve());
    setTimeout(resolve, GATHERING);
  });
}

function connected(peer) {
  return new Promise((resolve, reject) => {
    const look = () => {
      if (peer.connectionState === "connected") resolve();
      if (["failed", "closed"].includes(peer.connectionState)) reject(new Error("No way was found for the live picture"));
    };
    peer.addEventListener("connectionstatechange", look);
    setTimeout(() => reject(new Error("The live picture did not come in time")), FIRST_PICTURE);
    look();
  });
}
