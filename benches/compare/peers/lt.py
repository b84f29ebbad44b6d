#!/usr/bin/python3
"""libtorrent-rasterbar behind the driver protocol of benches/compare (see its README).

  lt.py version
  lt.py make  FILE OUT.torrent PIECE_KIB v1|v2
  lt.py seed  TORRENT FOLDER PORT MODE                    prints "ready ADDRESS", serves until its input gives a line
  lt.py leech TORRENT FOLDER PORT MODE ADDRESS[,..]       prints "ready", waits for a line, fetches, prints "done PATH",
                                                          serves on until another line
MODE: tcp (plaintext) | rc4 (RC4 forced) | utp (plaintext). No DHT, no trackers, no local discovery; loopback only.
The settings are the fastest found for one connection at a gigabyte a second, not libtorrent's defaults.
"""
import os
import sys

import libtorrent as lt


def session(port, mode):
    utp, rc4 = mode == "utp", mode == "rc4"
    return lt.session({
        "listen_interfaces": f"127.0.0.1:{port}",
        "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
        "enable_incoming_utp": utp, "enable_outgoing_utp": utp,
        "enable_incoming_tcp": not utp, "enable_outgoing_tcp": not utp,
        # pe_forced = 0, pe_disabled = 2; pe_rc4 = 2, pe_both = 3
        "in_enc_policy": 0 if rc4 else 2, "out_enc_policy": 0 if rc4 else 2, "allowed_enc_level": 2 if rc4 else 3,
        "upload_rate_limit": 0, "download_rate_limit": 0, "unchoke_slots_limit": -1, "connections_limit": 200,
        "allow_multiple_connections_per_ip": True, "close_redundant_connections": False,
        "mixed_mode_algorithm": 0, "max_out_request_queue": 1500, "request_queue_time": 3,
        "max_allowed_in_request_queue": 2000,
        "send_buffer_watermark": 8 << 20, "send_buffer_low_watermark": 1 << 20, "send_buffer_watermark_factor": 150,
        "recv_socket_buffer_size": 4 << 20, "send_socket_buffer_size": 4 << 20,
        "max_queued_disk_bytes": 256 << 20, "aio_threads": 2, "hashing_threads": 1,
        "torrent_connect_boost": 50, "connection_speed": 500, "min_reconnect_time": 1, "peer_connect_timeout": 5,
        "tick_interval": 100,
        "alert_mask": int(lt.alert.category_t.status_notification) | int(lt.alert.category_t.storage_notification),
    })


def add(ses, torrent, folder, seed):
    p = lt.add_torrent_params()
    p.ti = lt.torrent_info(torrent)
    p.save_path = folder
    p.storage_mode = lt.storage_mode_t.storage_mode_sparse
    p.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    if seed:
        p.flags |= lt.torrent_flags.seed_mode
    return ses.add_torrent(p)


def until(ses, kind):
    """Waits for an alert of this kind."""
    while True:
        ses.wait_for_alert(1000)
        for alert in ses.pop_alerts():
            if isinstance(alert, kind):
                return
            if isinstance(alert, (lt.torrent_error_alert, lt.file_error_alert, lt.listen_failed_alert)):
                sys.exit(alert.message())


def make(path, out, kib, version):
    v1_only, v2_only = 64, 32
    files = lt.file_storage()
    lt.add_files(files, path)
    torrent = lt.create_torrent(files, int(kib) * 1024, flags=v1_only if version == "v1" else v2_only)
    lt.set_piece_hashes(torrent, os.path.dirname(os.path.abspath(path)))
    with open(out, "wb") as file:
        file.write(lt.bencode(torrent.generate()))


def main():
    verb, *words = sys.argv[1:]
    if verb == "version":
        print(lt.version)
        return
    if verb == "make":
        make(*words)
        return
    torrent, folder, port, mode = words[:4]
    ses = session(port, mode)
    if verb == "seed":
        handle = add(ses, torrent, folder, True)
        while not handle.status().is_seeding:
            ses.wait_for_alert(20)
            ses.pop_alerts()
        print(f"ready 127.0.0.1:{port}", flush=True)
        sys.stdin.readline()
        os._exit(0)
    print("ready", flush=True)
    sys.stdin.readline()
    handle = add(ses, torrent, folder, False)
    for peer in words[4].split(","):
        host, at = peer.rsplit(":", 1)
        handle.connect_peer((host, int(at)))
    until(ses, lt.torrent_finished_alert)
    print("done " + os.path.join(folder, handle.torrent_file().name()), flush=True)
    sys.stdin.readline()
    # What is still queued for the disk is written before the file is compared; not timed.
    handle.flush_cache()
    until(ses, lt.cache_flushed_alert)
    os._exit(0)


main()
