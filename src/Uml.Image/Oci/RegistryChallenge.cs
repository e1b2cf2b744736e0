using System.Net.Http.Headers;
using System.Text.RegularExpressions;

namespace Uml.CI;

/// <summary>How a registry wants to be convinced: the parts of a WWW-Authenticate header.</summary>
internal sealed partial record RegistryChallenge(string Realm, string Service, string Scope, bool IsBearer)
{
    /// <summary>The challenge to answer among those of a response: a token's, else a password's; null when there is none of these.</summary>
    public static RegistryChallenge? From(HttpResponseHeaders headers)
    {
        RegistryChallenge? basic = null;
        foreach (AuthenticationHeaderValue value in headers.WwwAuthenticate)
        {
            if (value.Scheme.Equals("Basic", StringComparison.OrdinalIgnoreCase))
                basic = new RegistryChallenge("", "", "", IsBearer: false);
            if (!value.Scheme.Equals("Bearer", StringComparison.OrdinalIgnoreCase))
                continue;
            Dictionary<string, string> parts = new(StringComparer.OrdinalIgnoreCase);
            foreach (Match part in Part().Matches(value.Parameter ?? ""))
                parts[part.Groups["name"].Value] = part.Groups["quoted"].Success ? part.Groups["quoted"].Value : part.Groups["plain"].Value;
            if (parts.TryGetValue("realm", out string? realm))
                return new RegistryChallenge(realm, parts.GetValueOrDefault("service", ""), parts.GetValueOrDefault("scope", ""), IsBearer: true);
        }

        return basic;
    }

    [GeneratedRegex("""(?<name>[A-Za-z_]+)\s*=\s*(?:"(?<quoted>[^"]*)"|(?<plain>[^,"\s]+))""", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex Part();
}
