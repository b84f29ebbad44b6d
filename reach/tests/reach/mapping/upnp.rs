//! UPnP: a fake gateway device of SSDP and HTTP.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::fake::Fake;
use super::*;

const KIND: &str = "urn:schemas-upnp-org:service:WANIPConnection:1";

/// What a fake device does. The default does all well.
#[derive(Clone)]
struct Device {
    external: String,
    /// In place of the place of the description.
    location: Option<String>,
    control: String,
    /// In place of the answer to the request for the description.
    description: Option<Vec<u8>>,
    /// After the description, without end.
    floods: bool,
    /// The ports that are taken.
    taken: Vec<u16>,
    knows_permanent_alone: bool,
    /// In place of the answer to AddPortMapping.
    add: Option<String>,
    /// How long it takes to answer that it mapped a port, which it did at once.
    adds_for: Duration,
}

impl Default for Device {
    fn default() -> Self {
        Self {
            external: PUBLIC.to_string(),
            location: None,
            control: "/ctl".to_owned(),
            description: None,
            floods: false,
            taken: Vec::new(),
            knows_permanent_alone: false,
            add: None,
            adds_for: Duration::ZERO,
        }
    }
}

/// A device that runs: what it maps, and the paths that were asked for.
struct Running {
    ssdp: SocketAddr,
    /// External ports with their lifetimes.
    mappings: Arc<Mutex<BTreeMap<u16, String>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Running {
    fn mappings(&self) -> BTreeMap<u16, String> {
        self.mappings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn start(device: Device) -> Running {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let http = listener.local_addr().expect("an address");
    let location = device.location.clone().unwrap_or(format!("http://{http}/desc.xml"));
    let ssdp = Fake::start(move |_| {
        vec![format!("HTTP/1.1 200 OK\r\nST: upnp:rootdevice\r\nLOCATION: {location}\r\n\r\n").into_bytes()]
    });
    let mappings = Arc::new(Mutex::new(BTreeMap::new()));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let running = Running { ssdp: ssdp.await.at, mappings: Arc::clone(&mappings), asked: Arc::clone(&asked) };
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (device, mappings, asked) = (device.clone(), Arc::clone(&mappings), Arc::clone(&asked));
            tokio::spawn(async move { serve(stream, &device, &mappings, &asked).await });
        }
    });
    running
}

async fn serve(
    mut stream: TcpStream,
    device: &Device,
    mappings: &Mutex<BTreeMap<u16, String>>,
    asked: &Mutex<Vec<String>>,
) {
    let request = read_request(&mut stream).await;
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    asked.lock().unwrap_or_else(PoisonError::into_inner).push(path);
    let answer = if request.starts_with("GET") {
        device.description.clone().unwrap_or_else(|| ok(&described(&device.control)))
    } else {
        let answer = called(&request, device, &mut mappings.lock().unwrap_or_else(PoisonError::into_inner));
        if request.contains("#AddPortMapping") && answer.starts_with("HTTP/1.1 200") {
            tokio::time::sleep(device.adds_for).await;
        }
        answer.into_bytes()
    };
    let _gone = stream.write_all(&answer).await;
    while device.floods && stream.write_all(&[b' '; 8_192]).await.is_ok() {}
}

/// Reads head and body.
async fn read_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.and_then(|length| length.trim().parse().ok()).unwrap_or(0) {
                break;
            }
        }
        let mut buffer = [0; 4_096];
        match stream.read(&mut buffer).await {
            Ok(read) if read > 0 => bytes.extend(&buffer[..read]),
            _ => break,
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn called(request: &str, device: &Device, mappings: &mut BTreeMap<u16, String>) -> String {
    let port = argument(request, "NewExternalPort").and_then(|port| port.parse().ok()).unwrap_or(0);
    let lifetime = argument(request, "NewLeaseDuration").unwrap_or_default();
    if request.contains("#GetExternalIPAddress") {
        let inner = format!("<NewExternalIPAddress>{}</NewExternalIPAddress>", device.external);
        return done("GetExternalIPAddress", &inner);
    }
    if request.contains("#DeletePortMapping") {
        return if mappings.remove(&port).is_some() { done("DeletePortMapping", "") } else { fault(714) };
    }
    if let Some(answer) = &device.add {
        return answer.clone();
    }
    if device.taken.contains(&port) {
        return fault(718);
    }
    if device.knows_permanent_alone && lifetime != "0" {
        return fault(725);
    }
    assert_eq!(argument(request, "NewInternalClient").as_deref(), Some("127.0.0.1"));
    assert_eq!(argument(request, "NewPortMappingDescription").as_deref(), Some("minimodel"));
    mappings.insert(port, lifetime);
    done("AddPortMapping", "")
}

fn argument(request: &str, name: &str) -> Option<String> {
    let (_, rest) = request.split_once(&format!("<{name}>"))?;
    Some(rest.split_once('<')?.0.to_owned())
}

fn described(control: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><root xmlns=\"urn:schemas-upnp-org:device-1-0\"><device><deviceList><device><serviceList><service>\
         <serviceType>{KIND}</serviceType><controlURL>{control}</controlURL></service></serviceList></device></deviceList></device>\
         </root>"
    )
}

fn response(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

fn ok(body: &str) -> Vec<u8> {
    response("200 OK", body).into_bytes()
}

fn done(action: &str, inner: &str) -> String {
    let body = format!(
        "<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><u:{action}Response \
         xmlns:u=\"{KIND}\">{inner}</u:{action}Response></s:Body></s:Envelope>"
    );
    response("200 OK", &body)
}

fn fault(code: u16) -> String {
    let body = format!(
        "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><s:Fault><detail><UPnPError>\
         <errorCode>{code}</errorCode></UPnPError></detail></s:Fault></s:Body></s:Envelope>"
    );
    response("500 Internal Server Error", &body)
}

/// A mapper at the device, beside a router that does not speak PCP and NAT-PMP.
async fn mapper(device: &Running) -> Mapper {
    let nobody = Fake::silent().await;
    Mapper::start(settings(nobody.at, device.ssdp))
}

async fn state_of(device: Device) -> (MappingState, Running) {
    let running = start(device).await;
    let mapper = mapper(&running).await;
    (settled(&mapper).await, running)
}

#[tokio::test]
async fn upnp_maps_the_port_and_removes_it_at_the_end() {
    let device = start(Device::default()).await;
    let mapper = mapper(&device).await;
    assert_eq!(settled(&mapper).await, mapped(MappingProtocol::Upnp, PORT, 3_600));
    assert_eq!(device.mappings(), BTreeMap::from([(PORT, "3600".to_owned())]));
    mapper.end().await;
    assert_eq!(device.mappings(), BTreeMap::new());
}

#[tokio::test]
async fn upnp_port_that_is_taken_gives_another() {
    let (state, device) = state_of(Device { taken: vec![PORT], ..Device::default() }).await;
    let MappingState::Mapped(mapping) = state else { panic!("{state:?}") };
    assert!(mapping.external.port() >= 49_152, "{mapping:?}");
    assert_eq!(device.mappings().into_keys().collect::<Vec<_>>(), [mapping.external.port()]);
}

#[tokio::test]
async fn upnp_ports_that_are_all_taken_are_told() {
    let device = Device { taken: (0..=u16::MAX).collect(), ..Device::default() };
    assert_eq!(state_of(device).await.0, refused(MappingProtocol::Upnp, 718));
}

#[tokio::test]
async fn upnp_of_permanent_mappings_is_asked_for_one() {
    let (state, device) = state_of(Device { knows_permanent_alone: true, ..Device::default() }).await;
    assert_eq!(state, mapped(MappingProtocol::Upnp, PORT, 3_600));
    assert_eq!(device.mappings(), BTreeMap::from([(PORT, "0".to_owned())]));
}

// Rows: H16
#[tokio::test]
async fn upnp_that_maps_slowly_is_told_late_and_removed() {
    let device = start(Device { adds_for: Duration::from_millis(1_800), ..Device::default() }).await;
    let mapper = mapper(&device).await;
    assert_eq!(settled(&mapper).await, SILENT);
    let is_mapped = |state: &MappingState| matches!(state, MappingState::Mapped(_));
    tokio::time::timeout(Duration::from_secs(20), mapper.state().wait_for(is_mapped))
        .await
        .expect("a mapping")
        .expect("a mapper");
    mapper.end().await;
    assert_eq!(device.mappings(), BTreeMap::new());
}

// Rows: H16
#[tokio::test]
async fn upnp_that_is_mapping_at_the_end_keeps_no_mapping() {
    let device = start(Device { adds_for: Duration::from_millis(2_500), ..Device::default() }).await;
    let mapper = mapper(&device).await;
    assert_eq!(settled(&mapper).await, SILENT);
    assert_eq!(device.mappings().len(), 1);
    mapper.end().await;
    assert_eq!(device.mappings(), BTreeMap::new());
}

// Rows: H16
#[tokio::test]
async fn upnp_that_maps_for_ever_without_an_answer_keeps_no_mapping() {
    let device =
        Device { adds_for: Duration::from_secs(60), knows_permanent_alone: true, ..Device::default() };
    let device = start(device).await;
    let mapper = mapper(&device).await;
    assert_eq!(settled(&mapper).await, SILENT);
    assert_eq!(device.mappings(), BTreeMap::from([(PORT, "0".to_owned())]));
    let start = std::time::Instant::now();
    while !device.mappings().is_empty() {
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", device.mappings());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

// Rows: H16
#[tokio::test]
async fn upnp_that_refuses_is_told_with_its_code() {
    let device = Device { add: Some(fault(606)), ..Device::default() };
    assert_eq!(state_of(device).await.0, refused(MappingProtocol::Upnp, 606));
}

// Rows: H16
#[tokio::test]
async fn upnp_behind_a_carrier_asks_for_no_mapping() {
    let (state, device) = state_of(Device { external: SHARED.to_string(), ..Device::default() }).await;
    let why = NoMapping::CarrierNat { router: ROUTER, external: SHARED.into() };
    assert_eq!(state, MappingState::Failed(why));
    assert_eq!(device.mappings(), BTreeMap::new());
}

// Rows: H16
#[tokio::test]
async fn upnp_naming_loopback_outside_is_unusable() {
    let (state, _) = state_of(Device { external: "127.0.0.1".to_owned(), ..Device::default() }).await;
    assert!(matches!(state, MappingState::Failed(NoMapping::Unusable { .. })), "{state:?}");
}

/// The states of mappers at these devices, all at once.
async fn states_of(devices: Vec<Device>) -> Vec<MappingState> {
    let running: Vec<_> = devices.into_iter().map(|device| tokio::spawn(state_of(device))).collect();
    let mut states = Vec::new();
    for task in running {
        states.push(task.await.expect("a state").0);
    }
    states
}

// Rows: H16
#[tokio::test]
async fn upnp_location_at_another_host_is_not_asked() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    // All but 127.0.0.2 and [::1] would lead to the listener.
    let hosts = ["localhost", "127.0.0.2", "127.1", "0.0.0.0", "[::1]", "127.0.0.1@127.0.0.1"];
    let devices = hosts
        .map(|host| Device { location: Some(format!("http://{host}:{port}/desc.xml")), ..Device::default() });
    assert_eq!(states_of(devices.to_vec()).await, vec![SILENT; hosts.len()]);
    let nobody = tokio::time::timeout(Duration::from_millis(1), listener.accept()).await;
    assert!(nobody.is_err(), "a connection to a name or another host");
}

// Rows: H16
#[tokio::test]
async fn upnp_control_url_at_another_host_is_not_asked() {
    let device = Device { control: "http://127.0.0.2:1/ctl".to_owned(), ..Device::default() };
    let (state, device) = state_of(device).await;
    assert_eq!(state, SILENT);
    assert!(device.asked().iter().all(|path| path == "/desc.xml"), "{:?}", device.asked());
}

// Rows: H16
#[tokio::test]
async fn upnp_redirects_are_not_followed() {
    let answer = "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n";
    let (state, device) =
        state_of(Device { description: Some(answer.as_bytes().to_vec()), ..Device::default() }).await;
    assert_eq!(state, SILENT);
    assert!(device.asked().iter().all(|path| path == "/desc.xml"), "{:?}", device.asked());
}

// Rows: H16
#[tokio::test]
async fn upnp_description_without_end_is_cut() {
    let head = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<root>";
    let device = Device { description: Some(head.as_bytes().to_vec()), floods: true, ..Device::default() };
    assert_eq!(state_of(device).await.0, SILENT);
}

// Rows: H16
#[tokio::test]
async fn upnp_answers_beyond_their_sizes_are_refused() {
    let padded = |text: String, bytes: usize| text + &" ".repeat(bytes);
    let mut devices = Vec::new();
    for bytes in [32 * 1024, 64 * 1024] {
        let description = Some(ok(&padded(described("/ctl"), bytes)));
        devices.push(Device { description, ..Device::default() });
    }
    for bytes in [8 * 1024, 16 * 1024] {
        let body = "<u:AddPortMappingResponse></u:AddPortMappingResponse>".to_owned();
        let add = Some(response("200 OK", &padded(body, bytes)));
        devices.push(Device { add, ..Device::default() });
    }
    let good = mapped(MappingProtocol::Upnp, PORT, 3_600);
    assert_eq!(states_of(devices).await, [good.clone(), SILENT, good, SILENT]);
}

// Rows: H16
#[tokio::test]
async fn upnp_garbage_is_no_answer() {
    let garbage =
        [b"\0\xff\r\n\r\n".to_vec(), ok("<root"), ok(""), ok("<!DOCTYPE a [<!ENTITY b 'c'>]><root/>")];
    let mut devices: Vec<Device> =
        garbage.map(|garbage| Device { description: Some(garbage), ..Device::default() }).to_vec();
    devices.push(Device { add: Some(response("200 OK", "<html></html>")), ..Device::default() });
    devices.push(Device { add: Some(response("404 Not Found", "")), ..Device::default() });
    assert_eq!(states_of(devices).await, vec![SILENT; 6]);
}

#[tokio::test]
async fn upnp_makes_no_mapping_where_nat_pmp_does() {
    let device = start(Device::default()).await;
    let router = Fake::start(|request| super::nat_pmp::answer(request, PUBLIC)).await;
    let mapper = Mapper::start(settings(router.at, device.ssdp));
    assert_eq!(settled(&mapper).await, mapped(MappingProtocol::NatPmp, PORT, 3_600));
    mapper.end().await;
    assert_eq!(device.mappings(), BTreeMap::new());
}
