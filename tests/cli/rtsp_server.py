"""A real RTSP server, GStreamer's, that sends a file: `rtsp_server.py PORT FILE [PASSWORD]`.

Runs in the system's Python, which has GStreamer's bindings (Debian: gir1.2-gst-rtsp-server-1.0,
gstreamer1.0-plugins-good, gstreamer1.0-plugins-bad).
"""

import sys


def serve(port: str, file: str, password: str | None = None) -> None:
    """Until the process is ended; says `ready` when it listens."""
    import gi

    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstRtspServer

    Gst.init(None)

    class Factory(GstRtspServer.RTSPMediaFactory):
        def do_create_element(self, url):
            # The file's frames as they are, at their own pace.
            pay = "rtph264pay name=pay0 pt=96 config-interval=1"
            return Gst.parse_launch(f"( filesrc location={file} ! qtdemux ! h264parse ! {pay} )")

    server, factory = GstRtspServer.RTSPServer(), Factory()
    server.set_address("127.0.0.1")
    server.set_service(port)
    server.get_mount_points().add_factory("/live", factory)
    if password is not None:
        auth, token = GstRtspServer.RTSPAuth(), GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "user")
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic("user", password), token)
        server.set_auth(auth)
        allowed = GstRtspServer.RTSPPermissions()
        for what in ("access", "construct"):
            allowed.add_permission_for_role("user", f"media.factory.{what}", True)
        factory.set_permissions(allowed)
    server.attach(None)
    print("ready", flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    serve(*sys.argv[1:])
