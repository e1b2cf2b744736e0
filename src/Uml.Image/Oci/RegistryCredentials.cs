using System.Text;
using System.Text.Json;

namespace Uml.CI;

/// <summary>
/// Finds what the user once told a registry's client, where docker, podman and skopeo keep it: <c>$REGISTRY_AUTH_FILE</c>,
/// <c>$XDG_RUNTIME_DIR/containers/auth.json</c>, <c>$DOCKER_CONFIG/config.json</c> or <c>~/.docker/config.json</c>, and the
/// credential helpers these name.
/// </summary>
internal sealed class RegistryCredentials(HostTools host)
{
    private static readonly TimeSpan s_helperTime = TimeSpan.FromSeconds(30);

    /// <summary>The credential for an image of a registry; null when there is none.</summary>
    /// <exception cref="OciFaultException">A file or a helper is there and cannot be used.</exception>
    public async Task<RegistryCredential?> FindAsync(Uri registry, string repository, CancellationToken cancellationToken)
    {
        foreach (string file in Files().Where(File.Exists))
        {
            JsonElement root;
            try
            {
                root = OciJson.Parse(await File.ReadAllBytesAsync(file, cancellationToken), file);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new OciFaultException($"its registry wants credentials, and {file} cannot be read: {OneLine.Of(e).TrimEnd('.')}", KernelProblem.Unavailable, e);
            }

            if (await FindAsync(root, file, registry.Authority, repository, cancellationToken) is { } found)
                return found;
        }

        return null;
    }

    /// <summary>Where a user would log in, for messages.</summary>
    public string DefaultFile => Files().LastOrDefault() ?? "~/.docker/config.json";

    private IEnumerable<string> Files()
    {
        if (host.Variable("REGISTRY_AUTH_FILE") is { Length: > 0 } named)
            yield return named;
        if (host.Variable("XDG_RUNTIME_DIR") is { Length: > 0 } runtime)
            yield return Path.Combine(runtime, "containers", "auth.json");
        if (host.Variable("DOCKER_CONFIG") is { Length: > 0 } docker)
            yield return Path.Combine(docker, "config.json");
        else if (host.Variable("HOME") is { Length: > 0 } home)
            yield return Path.Combine(home, ".docker", "config.json");
    }

    private async Task<RegistryCredential?> FindAsync(JsonElement root, string file, string authority, string repository, CancellationToken cancellationToken)
    {
        if (OciJson.Object(root, "credHelpers", file) is { } helpers && OciJson.Text(helpers, authority, file) is { } helper)
            return await AskAsync(helper, authority, cancellationToken);
        if (OciJson.Object(root, "auths", file) is { } auths)
        {
            // The longest name first: podman keeps credentials for a part of a registry too.
            string key = $"{authority}/{repository}";
            while (true)
            {
                foreach (JsonProperty entry in auths.EnumerateObject())
                {
                    if (Normalize(entry.Name) == key && entry.Value.ValueKind == JsonValueKind.Object && Read(entry.Value, file) is { } found)
                        return found;
                }

                int slash = key.LastIndexOf('/');
                if (slash < 0)
                    break;
                key = key[..slash];
            }
        }

        return OciJson.Text(root, "credsStore", file) is { Length: > 0 } store ? await AskAsync(store, authority, cancellationToken) : null;
    }

    /// <summary>Old clients wrote "https://HOST/v1/".</summary>
    private static string Normalize(string name)
    {
        foreach (string scheme in (string[])["https://", "http://"])
        {
            if (!name.StartsWith(scheme, StringComparison.Ordinal))
                continue;
            name = name[scheme.Length..];
            return name.IndexOf('/', StringComparison.Ordinal) is var slash and >= 0 ? name[..slash] : name;
        }

        return name.TrimEnd('/');
    }

    private static RegistryCredential? Read(JsonElement entry, string file)
    {
        string? token = OciJson.Text(entry, "identitytoken", file) is { Length: > 0 } given ? given : null;
        string? user = OciJson.Text(entry, "username", file);
        string? secret = OciJson.Text(entry, "password", file);
        if (OciJson.Text(entry, "auth", file) is { Length: > 0 } packed)
        {
            try
            {
                string plain = Encoding.UTF8.GetString(Convert.FromBase64String(packed));
                int colon = plain.IndexOf(':', StringComparison.Ordinal);
                if (colon < 0)
                    throw new FormatException();
                user = plain[..colon];
                secret = plain[(colon + 1)..].TrimEnd('\0');
            }
            catch (FormatException e)
            {
                throw new OciFaultException($"its registry wants credentials, and those in {file} are malformed; log in anew", KernelProblem.Unavailable, e);
            }
        }

        return token is null && (string.IsNullOrEmpty(user) || secret is null) ? null : new RegistryCredential(user ?? "", secret ?? "", token, file);
    }

    /// <summary>Asks a credential helper by docker's protocol: the registry on its input, JSON on its output.</summary>
    private async Task<RegistryCredential?> AskAsync(string name, string authority, CancellationToken cancellationToken)
    {
        string program = "docker-credential-" + name;
        if (name.Contains('/', StringComparison.Ordinal) || ExternalProgram.Find(program, host.Variable("PATH")) is not { } path)
            throw new OciFaultException($"its registry wants credentials, and the helper {OciFaultException.Quote(program)} that keeps them is not installed", KernelProblem.Unavailable);
        using CancellationTokenSource time = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        time.CancelAfter(s_helperTime);
        ExternalResult result;
        try
        {
            result = await new ExternalProgram(path) { Arguments = ["get"], Input = authority + "\n", ThrowsOnFailure = false }.RunAsync(time.Token);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new OciFaultException($"its registry wants credentials, and the helper {program} does not answer", KernelProblem.Unavailable, e);
        }

        // "credentials not found in native keychain", by docker's own words, is no failure.
        if (result.ExitCode != 0)
        {
            return result.StandardOutput.Contains("not found", StringComparison.OrdinalIgnoreCase)
                ? null
                : throw new OciFaultException($"its registry wants credentials, and the helper {program} fails: {OciFaultException.Quote((result.StandardOutput + result.StandardError).Trim())}", KernelProblem.Unavailable);
        }

        JsonElement answer = OciJson.Parse(Encoding.UTF8.GetBytes(result.StandardOutput), $"what {program} says");
        string user = OciJson.Text(answer, "Username", program) ?? "";
        string secret = OciJson.Text(answer, "Secret", program) ?? "";
        return user == "<token>" ? new RegistryCredential("", "", secret, program) : new RegistryCredential(user, secret, null, program);
    }
}
