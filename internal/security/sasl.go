package security

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/aws"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// mechanism asks for the credentials at each new connection.
func (c *Config) mechanism() sasl.Mechanism {
	switch c.Mechanism {
	case Scram256, Scram512:
		credentials := func(context.Context) (scram.Auth, error) {
			password, err := c.password()
			return scram.Auth{User: c.User, Pass: password}, err
		}
		if c.Mechanism == Scram256 {
			return scram.Sha256(credentials)
		}
		return scram.Sha512(credentials)
	case OAuthBearer:
		return oauth.Oauth(c.OAuth.tokens())
	case MSKIAM:
		return aws.ManagedStreamingIAM(awsCredentials)
	}
	return plain.Plain(func(context.Context) (plain.Auth, error) {
		password, err := c.password()
		return plain.Auth{User: c.User, Pass: password}, err
	})
}

func (c *Config) password() (string, error) {
	if c.PasswordFile == "" {
		return c.Password, nil
	}
	password, err := readSecret(c.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("sasl.secret.location=%s: %w", c.PasswordFile, err)
	}
	return password, nil
}

// tokens gives the token of the file as it then is, or one of the endpoint, which is kept for as
// long as it is valid.
func (o *OAuth) tokens() func(context.Context) (oauth.Auth, error) {
	if o.TokenFile != "" {
		return func(context.Context) (oauth.Auth, error) {
			token, err := readSecret(o.TokenFile)
			if err != nil {
				return oauth.Auth{}, fmt.Errorf("sasl.oauthbearer.token.location=%s: %w",
					o.TokenFile, err)
			}
			return oauth.Auth{Token: token}, nil
		}
	}
	flow := clientcredentials.Config{ClientID: o.ClientID, ClientSecret: o.ClientSecret,
		TokenURL: o.URL, Scopes: strings.Fields(o.Scope)}
	// Its context is that of all its requests, which outlive the connection that asked first.
	source := oauth2.ReuseTokenSource(nil, flow.TokenSource(context.Background()))
	return func(context.Context) (oauth.Auth, error) {
		token, err := source.Token()
		if err != nil {
			return oauth.Auth{}, fmt.Errorf("sasl.oauthbearer.token.endpoint.url=%s: %w",
				o.URL, err)
		}
		return oauth.Auth{Token: token.AccessToken}, nil
	}
}

// awsCredentials are those that AWS's tools would use.
func awsCredentials(ctx context.Context) (aws.Auth, error) {
	loaded, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return aws.Auth{}, fmt.Errorf("AWS_MSK_IAM: %w", err)
	}
	found, err := loaded.Credentials.Retrieve(ctx)
	if err != nil {
		return aws.Auth{}, fmt.Errorf("AWS_MSK_IAM: no credentials of AWS: %w; set "+
			"AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the machine a role", err)
	}
	return aws.Auth{AccessKey: found.AccessKeyID, SecretKey: found.SecretAccessKey,
		SessionToken: found.SessionToken, UserAgent: "pawl"}, nil
}
