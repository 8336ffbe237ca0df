// Put into every page of the browser under test before its own scripts: notes when a call was accepted and when its
// first picture was shown (`window.setUp`, milliseconds of this page), and lets a test choose the codec of the pictures
// (`window.onlyCodec`), as a browser without the other ones would speak.
(() => {
  const setUp = { accepted: null, shown: null, processing: null };
  window.setUp = setUp;
  window.onlyCodec = null;

  const note = (text) => {
    const { type } = JSON.parse(text);
    if (type === "ringing" || type === "incoming") {
      Object.assign(setUp, { accepted: null, shown: null, processing: null });
    } else if ((type === "accept" || type === "accepted") && setUp.accepted === null) {
      setUp.accepted = performance.now();
      document.getElementById("remote").requestVideoFrameCallback((_, frame) => {
        setUp.shown = frame.presentationTime;
        setUp.processing = frame.processingDuration * 1000;
      });
    }
  };
  const Plain = window.WebSocket;
  window.WebSocket = class extends Plain {
    constructor(...words) {
      super(...words);
      this.addEventListener("message", ({ data }) => note(data));
    }

    send(text) {
      note(text);
      super.send(text);
    }
  };

  // The formats of pictures that stay, as a browser that knows no others would offer them and read an offer. (An answer
  // by `setCodecPreferences` alone does not do: Chromium 156 then sends the offer's first format all the same.)
  const narrow = (sdp) => {
    const cut = (section) => {
      const known = new RegExp(`^a=rtpmap:(\\d+) ${window.onlyCodec}/`, "gm");
      const media = [...section.matchAll(known)].map(([, number]) => number);
      const repairs = [...section.matchAll(/^a=fmtp:(\d+) apt=(\d+)/gm)].filter(([, , of]) => media.includes(of));
      const stay = [...media, ...repairs.map(([, number]) => number)];
      return section
        .replace(/^(m=video \S+ \S+) (.*?)(\r?)$/m, (_, head, numbers, end) => {
          return `${head} ${numbers.split(" ").filter((number) => stay.includes(number)).join(" ")}${end}`;
        })
        .replace(/^a=(?:rtpmap|fmtp|rtcp-fb):(\d+) .*\r?\n/gm, (line, number) => (stay.includes(number) ? line : ""));
    };
    return sdp
      .split(/^(?=m=)/m)
      .map((section) => (window.onlyCodec && section.startsWith("m=video") ? cut(section) : section))
      .join("");
  };
  const { createOffer, setLocalDescription, setRemoteDescription } = RTCPeerConnection.prototype;
  RTCPeerConnection.prototype.setLocalDescription = async function (...words) {
    if (words.length || this.signalingState !== "stable") return setLocalDescription.apply(this, words);
    const { type, sdp } = await createOffer.call(this);
    return setLocalDescription.call(this, { type, sdp: narrow(sdp) });
  };
  RTCPeerConnection.prototype.setRemoteDescription = function ({ type, sdp }) {
    return setRemoteDescription.call(this, { type, sdp: narrow(sdp) });
  };
})();
