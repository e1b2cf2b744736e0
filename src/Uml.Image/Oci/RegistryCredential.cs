namespace Uml.CI;

/// <summary>What a user shows to a registry: a name and a password, or a token that stands for both.</summary>
/// <param name="User">The name.</param>
/// <param name="Secret">The password.</param>
/// <param name="IdentityToken">A token to get others for; null for none.</param>
/// <param name="Origin">Where it was found, for messages.</param>
internal sealed record RegistryCredential(string User, string Secret, string? IdentityToken, string Origin);
