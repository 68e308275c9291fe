import java.net.InetAddress;
import java.util.List;
import org.jgroups.JChannel;
import org.jgroups.protocols.TCP;
import org.jgroups.protocols.TCPPING;
import org.jgroups.stack.IpAddress;

/**
 * Reads hosts files as TCPPING does when its channel is made.
 *
 * <p>The command line is the address and the port to bind to, then files. For each file one line: the name, "ok" and the
 * hosts, sorted, each as address/port; or the name, "error" and what is wrong. The address that is bound to is left
 * out: TCPPING adds it by itself, once for each port in the file.
 */
class JGroups {
    public static void main(String[] arguments) throws Exception {
        InetAddress address = InetAddress.getByName(arguments[0]);
        int port = Integer.parseInt(arguments[1]);
        for (String file : List.of(arguments).subList(2, arguments.length)) {
            System.out.println(file + "\t" + describe(address, port, file));
        }
    }

    private static String describe(InetAddress address, int port, String file) {
        TCPPING discovery = new TCPPING();
        discovery.setValue("initial_hosts_file", file);
        discovery.setPortRange(0);
        try (JChannel channel = new JChannel(new TCP().setBindAddress(address).setBindPort(port), discovery)) {
            List<String> hosts = discovery.getInitialHosts().stream()
                    .map(host -> (IpAddress) host)
                    .filter(host -> !host.getIpAddress().equals(address))
                    .map(host -> host.getIpAddress().getHostAddress() + "/" + host.getPort())
                    .sorted()
                    .toList();
            return "ok\t" + String.join(" ", hosts);
        } catch (Exception error) {
            return "error\t" + error;
        }
    }
}
